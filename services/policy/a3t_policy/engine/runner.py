"""One forward pass over KV slots, with any decoder of transformers that attends to all that came before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import Cache

from .slots import SlotPool
from .weights import Weights

__all__ = ["Chunk", "Runner"]

_LEAST_ROWS = 4
"""float32 matrix products on one CPU thread give a row the same bits for every number of rows from 4 on."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens to compute for a slot, the first at position `start`."""

    slot: int
    start: int
    tokens: Sequence[int]


class _PassCache(Cache):  # type: ignore[misc]
    """The view of the slots that one forward pass gets: writes new keys and values, returns those to attend to."""

    def __init__(self, pool: SlotPool, rows: Tensor, positions: Tensor, length: int, first: int | None) -> None:
        super().__init__(layers=[])
        self.pool, self.rows, self.positions, self.length, self.first = pool, rows, positions, length, first

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        keys, values = self.pool.keys[layer_idx], self.pool.values[layer_idx]
        at = self.rows[:, None]
        keys[at, :, self.positions] = key_states.transpose(1, 2)
        values[at, :, self.positions] = value_states.transpose(1, 2)
        return self._visible(keys), self._visible(values)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.length

    def _visible(self, tensor: Tensor) -> Tensor:
        if self.first is not None:
            return tensor[self.first : self.first + len(self.rows), :, : self.length]
        return tensor[:, :, : self.length].index_select(0, self.rows)


class Runner:
    """Computes chunks of several slots in one pass.

    Args:
        weights: the versions.
        pool: where keys and values live.
    """

    def __init__(self, weights: Weights, pool: SlotPool, device: torch.device) -> None:
        self.weights, self.pool, self.device = weights, pool, device

    def forward(self, version: int, chunks: Sequence[Chunk]) -> Tensor:
        """Float32 logits (len(chunks), vocabulary) after the last token of each chunk."""
        rows, where, first = self._rows(chunks)
        width = max(len(chunk.tokens) for chunk in chunks)
        ids = torch.zeros((len(rows), width), dtype=torch.long)
        positions = torch.full((len(rows), width), self.pool.padding_position, dtype=torch.long)
        for row, chunk in zip(where, chunks, strict=True):
            pad = width - len(chunk.tokens)
            ids[row, pad:] = torch.tensor(chunk.tokens)
            positions[row, pad:] = torch.arange(chunk.start, chunk.start + len(chunk.tokens))
        length = max(chunk.start + len(chunk.tokens) for chunk in chunks)
        logits = self._compute(version, ids, positions, torch.tensor(rows), length, first)
        return logits if where == list(range(len(rows))) else logits[torch.tensor(where, device=logits.device)]

    def _rows(self, chunks: Sequence[Chunk]) -> tuple[list[int], list[int], int | None]:
        """Pool rows of the pass, the row of each chunk among them, and the first pool row if they follow on each
        other (then attention reads them in place)."""
        slots = [chunk.slot for chunk in chunks]
        low, high = min(slots), max(slots) + 1
        if max(high - low, _LEAST_ROWS) <= 2 * len(slots) and low + _LEAST_ROWS <= self.pool.slots:
            span = list(range(low, max(high, low + _LEAST_ROWS)))
            return span, [slot - low for slot in slots], low
        padding = [self.pool.padding_row] * max(0, _LEAST_ROWS - len(slots))
        return slots + padding, list(range(len(slots))), None

    def _compute(
        self, version: int, ids: Tensor, positions: Tensor, rows: Tensor, length: int, first: int | None
    ) -> Tensor:
        real = positions < self.pool.padding_position
        seen = torch.where(real, positions, 0)  # padding attends to position 0, which is finite
        mask = torch.arange(length)[None, None, None, :] <= seen[:, None, :, None]
        ids, positions, rows, mask, seen = (t.to(self.device) for t in (ids, positions, rows, mask, seen))
        cache = _PassCache(self.pool, rows, positions, length, first)
        with self.weights.active(version) as module:
            reply = module(
                input_ids=ids,
                position_ids=seen,
                attention_mask=mask,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
        logits: Tensor = reply.logits[:, -1].float()
        return logits
