"""Writes the finished model: weights, tokenizer, and a model card that says how it was made."""

from __future__ import annotations

import json
import platform
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import MistralForCausalLM, PreTrainedTokenizerBase

from a3t_contracts.files import write_atomically

from . import card_household
from .record import StartRecord
from .settings import PretrainSettings, default_settings
from .webshop import card as card_shop

__all__ = ["write_model"]

_CARD = """---
license: mit
library_name: transformers
pipeline_tag: text-generation
tags: [mistral, agent, {environment}, from-scratch]
---
{body}
## How well it reads
Turns of {held_out} held-out exercises that greedy decoding gets right in every token, given the true history:

| action | right |
|---|---|
{table}
{note}
## Make it again
```
a3t pretrain FOLDER{options}
```
The same command gives the same weights bit for bit on the same kind of processor with the same torch build
({torch_version}) and number of threads, also after an interruption. Elsewhere the last bits of sums differ, and the
weights drift apart; the figures above should come out alike.
"""

_PARTS = {"alfworld": (card_household.BODY, card_household.NOTE), "webshop": (card_shop.BODY, "")}
"""Parts of the card before and after the figures."""


def write_model(
    folder: Path,
    model: MistralForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    settings: PretrainSettings,
    figures: dict[str, float],
    seconds: float,
    start: StartRecord,
) -> None:
    """Write config.json, model.safetensors, the tokenizer's files, README.md and pretraining.json into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    transformers.utils.logging.disable_progress_bar()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    facts: dict[str, Any] = {
        "settings": settings.model_dump(),
        "seconds": round(seconds, 1),
        "turns_right": {verb: round(share, 4) for verb, share in figures.items()},
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "machine": platform.machine(),
        "start": start.model_dump(),
    }
    write_atomically(folder / "pretraining.json", json.dumps(facts, indent=2) + "\n")
    write_atomically(folder / "README.md", _card(model, settings, figures, seconds))


def _card(model: MistralForCausalLM, settings: PretrainSettings, figures: dict[str, float], seconds: float) -> str:
    shape = settings.shape
    body, note = _PARTS[settings.environment]
    return _CARD.replace("{body}", body).format(
        environment=settings.environment,
        note=note,
        parameters=model.num_parameters(),
        shape=f"{shape.layers} layers, width {shape.hidden}, {shape.heads} heads, feed-forward {shape.feed_forward}",
        exercises=settings.exercises,
        games=settings.games,
        shuffled=settings.shuffled,
        tokens=settings.tokens,
        seconds=seconds,
        threads=settings.threads,
        machine=platform.machine(),
        held_out=settings.held_out,
        table="\n".join(f"| {verb} | {share:.1%} |" for verb, share in figures.items()),
        options="".join(_options(settings)),
        torch_version=torch.__version__,
    )


def _options(settings: PretrainSettings) -> list[str]:
    """The options that differ from the defaults."""
    defaults = {**default_settings(settings.environment).model_dump(), "environment": "alfworld"}
    changed = {name: value for name, value in settings.model_dump().items() if value != defaults[name]}
    return [f" --{name.replace('_', '-')} {value}" for name, value in changed.items() if name in _OFFERED]


_OFFERED = ("environment", "seed", "games", "exercises", "tokens", "threads")
