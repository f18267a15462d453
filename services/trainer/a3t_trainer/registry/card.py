"""The model card of an adapter version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from huggingface_hub import ModelCard, ModelCardData

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.schemas import FineTuningJobCreate
from a3t_contracts.schemas.adapter import AdapterManifest

__all__ = ["base_licence", "model_card"]

_BODY = """
# {version}

A LoRA adapter for `{base}`, trained on trajectories of run `{run}` (round {round}) by contrastive self-training.

```python
from peft import PeftModel
from transformers import AutoModelForCausalLM

base = AutoModelForCausalLM.from_pretrained("{base}")
model = PeftModel.from_pretrained(base, "path/to/{version}")
```

The prompt format is the ReAct text of `a3t_contracts.react`.

## Base

{base_table}

## Objective

{objective}

## Training data

{data}

## Optimisation and adapter

{training}

## Metrics at the end of training

{metrics}

Losses are in nats per token, on the training set: they say nothing about success in an environment.
"""


def model_card(manifest: AdapterManifest, request: FineTuningJobCreate) -> str:
    """The card as Markdown with the Hub's YAML header: data counts, objective, metrics, base and licence."""
    licence = base_licence(request.model)
    header = ModelCardData(
        base_model=request.model if "/" in request.model and not request.model.startswith(("/", ".", "~")) else None,
        library_name="peft",
        pipeline_tag="text-generation",
        license=licence,
        tags=["a3t", "lora", "react", "agent", str(request.objective.name)],
    )
    body = _BODY.format(
        version=manifest.version,
        base=request.model,
        run=manifest.run,
        round=manifest.round,
        base_table=_table(
            {
                "model": request.model,
                "fingerprint": manifest.base_fingerprint,
                "licence": licence or "not stated by the base",
                "parent": manifest.parent or "none (restarted from the base)",
            }
        ),
        objective=_table(manifest.objective),
        data=_table(manifest.data),
        training=_table(request.optimisation.model_dump() | request.lora.model_dump() | {"seed": request.seed}),
        metrics=_table(manifest.metrics),
    )
    return str(ModelCard(f"---\n{header.to_yaml()}\n---\n{body}"))


def base_licence(model: str) -> str | None:
    """The licence in the model card of a base in a local folder; None if the card states none."""
    card = Path(resolve_base_model(model)) / "README.md"
    if not card.is_file():
        return None
    licence = ModelCard.load(card).data.license
    return licence if isinstance(licence, str) else None


def _table(values: dict[str, Any]) -> str:
    rows = [f"| {name} | {_cell(value)} |" for name, value in values.items()]
    return "\n".join(["| | |", "|---|---|", *rows])


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return text.replace("|", "\\|")
