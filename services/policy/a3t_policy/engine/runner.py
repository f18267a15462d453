"""A forward pass over KV slots with any causal decoder of transformers that attends to the full context."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import Cache

from .exact import LEAST_ROWS
from .flat import Chunk, FlatPass
from .health import PassHealth
from .lean import LeanModel, Pass
from .slots import SlotPool, write_tokens
from .weights import Weights

__all__ = ["Runner"]


class _PassCache(Cache):  # type: ignore[misc]
    """The slots as a cache of transformers. It stores new keys and values, and returns those to which the pass
    attends.
    """

    def __init__(self, pool: SlotPool, step: Pass) -> None:
        super().__init__(layers=[])
        self.pool, self.step = pool, step

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        keys, values = self.pool.keys[layer_idx], self.pool.values[layer_idx]
        write_tokens(keys, self.step.places, key_states.transpose(1, 2))
        write_tokens(values, self.step.places, value_states.transpose(1, 2))
        return self.step.visible(keys), self.step.visible(values)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.step.length


class Runner:
    """Computes chunks of several slots in one pass.

    Args:
        weights: the versions.
        pool: the keys and values.
    """

    def __init__(self, weights: Weights, pool: SlotPool, device: torch.device, dtype: torch.dtype) -> None:
        self.weights, self.pool, self.device, self.dtype = weights, pool, device, dtype
        self.health = PassHealth()
        self._columns = torch.arange(pool.width, device=device)[None, None, None, :]

    def forward(self, version: int, chunks: Sequence[Chunk]) -> Tensor:
        """Float32 logits (len(chunks), vocabulary) after the last token of each chunk."""
        with self.health.watch(version):
            return self._forward(version, chunks)

    def probe(self, version: int) -> None:
        """Compute one token of a version in the padding row. Raises what the pass raises."""
        self.forward(version, [Chunk(self.pool.padding_row, 0, [0])])

    @property
    def flat(self) -> bool:
        """Whether a pass has no padding, so that it may have chunks of different lengths without loss."""
        return self.weights.lean and self.device.type == "cpu"

    def _forward(self, version: int, chunks: Sequence[Chunk]) -> Tensor:
        if self.flat:
            return self._compute(version, FlatPass.of(chunks, self.pool, self.dtype, kernel=self.weights.has_kernel))
        rows, where, first = self._rows(chunks)
        width = max(len(chunk.tokens) for chunk in chunks)
        ids = np.zeros((len(rows), width), dtype=np.int64)
        positions = np.full((len(rows), width), self.pool.padding_position, dtype=np.int64)
        for row, chunk in zip(where, chunks, strict=True):
            pad = width - len(chunk.tokens)
            ids[row, pad:] = chunk.tokens
            positions[row, pad:] = np.arange(chunk.start, chunk.start + width - pad) if width > 1 else chunk.start
        longest = max(chunk.length for chunk in chunks)
        logits = self._compute(version, self._pass(ids, positions, rows, longest, first))
        return logits if where == list(range(len(rows))) else logits[torch.tensor(where, device=logits.device)]

    def _rows(self, chunks: Sequence[Chunk]) -> tuple[list[int], list[int], int | None]:
        """Return the pool rows of the pass, the position of each chunk among them, and the first pool row if the
        rows are consecutive, so that attention can read them in place.
        """
        slots = [chunk.slot for chunk in chunks]
        low, high = min(slots), max(slots) + 1
        if max(high - low, LEAST_ROWS) <= 2 * len(slots) and low + LEAST_ROWS <= self.pool.slots:
            span = list(range(low, max(high, low + LEAST_ROWS)))
            return span, [slot - low for slot in slots], low
        padding = [self.pool.padding_row] * max(0, LEAST_ROWS - len(slots))
        return slots + padding, list(range(len(slots))), None

    def _pass(self, ids: np.ndarray, positions: np.ndarray, rows: list[int], longest: int, first: int | None) -> Pass:
        length = self.pool.granules(longest)
        at = torch.from_numpy(positions).to(self.device)
        where = torch.tensor(rows, device=self.device)
        hidden = self._columns[..., :length] > at[:, None, :, None]
        return Pass(
            ids=torch.from_numpy(ids).to(self.device),
            positions=at,
            mask=torch.zeros(hidden.shape, dtype=self.dtype, device=self.device).masked_fill_(hidden, -torch.inf),
            rows=where,
            places=(where[:, None] * self.pool.width + at).view(-1),
            length=length,
            first=first,
        )

    def _compute(self, version: int, step: Pass | FlatPass) -> Tensor:
        with self.weights.active(version) as module:
            if isinstance(module, LeanModel):
                return module.forward(step, self.pool).float()
            assert isinstance(step, Pass)  # noqa: S101  `flat` is true for a lean model on a CPU alone
            reply = module(
                input_ids=step.ids,
                position_ids=step.positions.clamp(max=self.pool.context - 1),
                attention_mask=step.mask,
                past_key_values=_PassCache(self.pool, step),
                use_cache=True,
                logits_to_keep=1,
            )
        logits: Tensor = reply.logits[:, -1].float()
        return logits
