"""Log-probabilities under DPO's reference policy, which is the adapter before the first step."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from a3t_contracts.files import write_atomically
from a3t_contracts.schemas import Optimisation

from ..encoding.collate import StepScale, collate
from ..encoding.plan import Unit, build_units, micro_batches
from .objective import sequence_logprobs

__all__ = ["reference_logprobs"]


def reference_logprobs(model: Any, units: Sequence[Unit], optimisation: Optimisation, cache: Path) -> dict[str, float]:
    """Return Σ_t w_t log π_ref of every sequence, by sequence id. The values are stored in the file `cache`, so that
    a resumed job does not compute them with a partly trained model.
    """
    if cache.exists():
        return dict(json.loads(cache.read_text()))
    sequences = {s.id: s for unit in units for s in unit}
    batches = micro_batches(
        build_units(list(sequences.values())), optimisation.tokens_per_batch, packing=optimisation.packing
    )
    values: dict[str, float] = {}
    model.eval()
    for batch in batches:
        values |= _batch_logprobs(model, batch, packing=optimisation.packing)
    write_atomically(cache, json.dumps(values))
    return values


@torch.no_grad()
def _batch_logprobs(model: Any, batch: list[Unit], *, packing: bool) -> dict[str, float]:
    micro: dict[str, Any] = dict(collate(batch, StepScale(None, 1, 1), packing=packing))
    weights, sequence = micro.pop("coefficients"), micro.pop("sequence")
    del micro["parts"], micro["failure"]
    device = next(model.parameters()).device
    inputs = {k: v.to(device) if isinstance(v, torch.Tensor) else v for k, v in micro.items()}
    totals = sequence_logprobs(model(**inputs).cpu(), weights, sequence, len(batch))
    return {unit[0].id: float(total) for unit, total in zip(batch, totals, strict=True)}
