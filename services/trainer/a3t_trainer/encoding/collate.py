"""Turns the sequences of a forward pass into tensors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from .plan import Unit
from .sequences import TokenSequence

__all__ = ["MicroBatch", "StepScale", "collate"]

MicroBatch = dict[str, "Tensor | int"]
"""Inputs of one forward pass: `input_ids`, `position_ids`, and `attention_mask` or `cu_seq_lens_*`. For the loss, it
also has tensors of shape [n] for the n predicted tokens: `keep` (flat index of the token before), `targets`,
`coefficients` (factor of log p in the objective), `parts`, `failure` and `sequence` (row of the token's sequence).
"""

Normalisation = Literal["as_printed", "per_token", "per_trajectory"]


@dataclass(frozen=True, slots=True)
class StepScale:
    """Denominators of an optimiser step, over all its forward passes: M trajectories and T trained tokens. Without
    normalisation, every coefficient is R(τ) · w_t.
    """

    normalisation: Normalisation | None
    trajectories: int
    tokens: int
    tokens_of: Counter[str] = field(default_factory=Counter)
    """Trained tokens of every trajectory, over all its sequences."""

    @classmethod
    def of(cls, normalisation: Normalisation, step: Sequence[Unit]) -> StepScale:
        """Count the trajectories and the trained tokens of a step."""
        tokens_of: Counter[str] = Counter()
        for unit in step:
            for sequence in unit:
                tokens_of[sequence.id] += sequence.trained
        return cls(normalisation, len(tokens_of), tokens_of.total(), tokens_of)

    def factor(self, sequence: TokenSequence) -> float:
        """R(τ) divided by the denominator."""
        match self.normalisation:
            case "as_printed":
                return sequence.reward / self.trajectories
            case "per_token":
                return sequence.reward / self.tokens
            case "per_trajectory":
                return sequence.reward / (self.trajectories * self.tokens_of[sequence.id])
            case None:
                return sequence.reward


def collate(units: Sequence[Unit], scale: StepScale, *, packing: bool, pad_id: int = 0) -> MicroBatch:
    """Make the tensors of one forward pass. With packing, all sequences are in one row; otherwise each has a padded
    row.
    """
    sequences = [s for unit in units for s in unit]
    width = max(map(len, sequences))
    starts = np.cumsum([0, *map(len, sequences)]) if packing else np.arange(len(sequences) + 1) * width
    inputs = _packed(sequences, starts) if packing else _padded(sequences, width, pad_id)
    return inputs | _targets(sequences, starts, scale)


def _packed(sequences: Sequence[TokenSequence], starts: np.ndarray) -> MicroBatch:
    offsets = torch.from_numpy(starts.astype(np.int32))
    longest = max(map(len, sequences))
    return {
        "input_ids": torch.from_numpy(np.concatenate([s.ids for s in sequences]))[None],
        "position_ids": torch.from_numpy(np.concatenate([np.arange(len(s)) for s in sequences]))[None],
        "cu_seq_lens_q": offsets,
        "cu_seq_lens_k": offsets,
        "max_length_q": longest,
        "max_length_k": longest,
    }


def _padded(sequences: Sequence[TokenSequence], width: int, pad_id: int) -> MicroBatch:
    ids = np.full((len(sequences), width), pad_id, dtype=np.int64)
    mask = np.zeros((len(sequences), width), dtype=np.int64)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = sequence.ids
        mask[row, : len(sequence)] = 1
    return {"input_ids": torch.from_numpy(ids), "attention_mask": torch.from_numpy(mask)}


def _targets(sequences: Sequence[TokenSequence], starts: np.ndarray, scale: StepScale) -> MicroBatch:
    keep, targets, coefficients, parts, rows = [], [], [], [], []
    for row, (sequence, start) in enumerate(zip(sequences, starts, strict=False)):
        index = np.flatnonzero(sequence.weights)
        keep.append(start + index - 1)
        targets.append(sequence.ids[index])
        coefficients.append(sequence.weights[index] * np.float32(scale.factor(sequence)))
        parts.append(sequence.parts[index])
        rows.append(np.full(len(index), row))
    sequence_of = np.concatenate(rows)
    failed = np.array([s.failure for s in sequences])
    return {
        "keep": torch.from_numpy(np.concatenate(keep)),
        "targets": torch.from_numpy(np.concatenate(targets)),
        "coefficients": torch.from_numpy(np.concatenate(coefficients)),
        "parts": torch.from_numpy(np.concatenate(parts)),
        "failure": torch.from_numpy(failed[sequence_of]),
        "sequence": torch.from_numpy(sequence_of),
    }
