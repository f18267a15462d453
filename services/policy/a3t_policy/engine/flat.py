"""A forward pass on a CPU that computes the tokens of all sequences in one column, without padding.

Matrix products read all tokens at once. Attention reads each sequence's own keys and values in place. A pass may hold
the newest tokens of running sequences beside pieces of prompts of any length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .decode_attention import DecodeAttention
from .exact import LEAST_ROWS
from .slots import SlotPool

__all__ = ["Chunk", "FlatAttention", "FlatPass"]

_LONG = 8
"""A chunk with at least this number of tokens computes its attention in one call of torch. Shorter chunks use the
kernel, token by token, in one call for all of them."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Tokens to compute for a slot; the first is at position `start`."""

    slot: int
    start: int
    tokens: Sequence[int]

    @property
    def length(self) -> int:
        """Number of tokens to which the last token attends."""
        return self.start + len(self.tokens)


@dataclass(frozen=True, slots=True)
class _Long:
    """A chunk whose attention is one call: its rows of the pass, its slot, and a mask (tokens, length), 0 or −inf."""

    rows: slice
    slot: int
    length: int
    mask: Tensor


@dataclass(frozen=True, slots=True)
class FlatPass:
    """The inputs of one forward pass over n tokens.

    Args:
        ids, positions, places: (n,); a place is that of a token among all positions of the pool.
        slots, lengths: slot of each of the first tokens, which attend one by one, and the number of tokens that it
            attends to; int64.
        singles: number of rows before the first long chunk, padding included.
        longs: the chunks behind them.
        last: row of the last token of each chunk, in the caller's order.
    """

    ids: Tensor
    positions: Tensor
    places: Tensor
    slots: np.ndarray
    lengths: np.ndarray
    singles: int
    longs: tuple[_Long, ...]
    last: Tensor

    @classmethod
    def of(cls, chunks: Sequence[Chunk], pool: SlotPool, dtype: torch.dtype, *, kernel: bool) -> FlatPass:
        """The pass that computes the chunks.

        Args:
            dtype: number format of the masks, which is that of the keys.
            kernel: whether there is a kernel for single tokens; without it only chunks of one token are taken apart.
        """
        least = _LONG if kernel else 2
        short = [n for n, chunk in enumerate(chunks) if len(chunk.tokens) < least]
        long = [n for n, chunk in enumerate(chunks) if len(chunk.tokens) >= least]
        padding = max(0, LEAST_ROWS - sum(len(chunk.tokens) for chunk in chunks))
        rows = _Rows(len(chunks))
        for n in short:
            rows.add(n, chunks[n])
        counted = len(rows.ids)
        rows.pad(padding, pool)
        singles = len(rows.ids)
        for n in long:
            rows.add(n, chunks[n])
        at, slots = np.array(rows.positions, dtype=np.int64), np.array(rows.slots, dtype=np.int64)
        return cls(
            ids=torch.tensor(rows.ids),
            positions=torch.from_numpy(at),
            places=torch.from_numpy(slots * pool.width + at),
            slots=slots[:counted],
            lengths=at[:counted] + 1,
            singles=singles,
            longs=tuple(_longs([chunks[n] for n in long], singles, dtype)),
            last=torch.tensor(rows.last),
        )


class _Rows:
    """The rows of a pass while it is put together."""

    def __init__(self, chunks: int) -> None:
        self.ids: list[int] = []
        self.positions: list[int] = []
        self.slots: list[int] = []
        self.last = [0] * chunks

    def add(self, number: int, chunk: Chunk) -> None:
        """Append the tokens of the chunk with this number."""
        self.ids.extend(chunk.tokens)
        self.positions.extend(range(chunk.start, chunk.length))
        self.slots.extend([chunk.slot] * len(chunk.tokens))
        self.last[number] = len(self.ids) - 1

    def pad(self, count: int, pool: SlotPool) -> None:
        """Append rows that compute nothing."""
        self.ids.extend([0] * count)
        self.positions.extend([pool.padding_position] * count)
        self.slots.extend([pool.padding_row] * count)


def _longs(chunks: Sequence[Chunk], row: int, dtype: torch.dtype) -> list[_Long]:
    """The long chunks, of which the first begins at `row`."""
    found = []
    for chunk in chunks:
        count = len(chunk.tokens)
        mask = torch.full((count, chunk.length), -torch.inf, dtype=dtype).triu_(chunk.start + 1)
        found.append(_Long(slice(row, row + count), chunk.slot, chunk.length, mask))
        row += count
    return found


class FlatAttention:
    """Attention of the tokens of a pass to the keys and values in the pool.

    Args:
        kernel: computes single tokens, None where there is none.
    """

    def __init__(self, heads: int, kv_heads: int, kernel: DecodeAttention | None) -> None:
        self.heads, self.kv_heads, self.kernel = heads, kv_heads, kernel

    def __call__(self, query: Tensor, keys: Tensor, values: Tensor, step: FlatPass) -> Tensor:
        """Attend.

        Args:
            query: (n, heads, dim); the last two dimensions are contiguous.
            keys, values: (slots, tokens, kv heads, dim); those of the pass are in them already.

        Returns: (n, heads * dim); rows of padding are zero.
        """
        said = [self._one(query, keys, values, step, part) for part in step.longs]
        if step.singles:
            asked = query[: step.singles]
            if self.kernel is not None:
                said.insert(0, self.kernel(asked, keys, values, step.slots, step.lengths).flatten(1))
            else:
                said.insert(0, self._singles(asked, keys, values, step))
        return said[0] if len(said) == 1 else torch.cat(said)

    def _one(self, query: Tensor, keys: Tensor, values: Tensor, step: FlatPass, part: _Long) -> Tensor:
        count, dim = part.rows.stop - part.rows.start, query.shape[-1]
        groups = self.heads // self.kv_heads
        asked = query[part.rows].transpose(0, 1).reshape(1, self.kv_heads, groups * count, dim)
        seen, told = (x[part.slot, : part.length].transpose(0, 1)[None] for x in (keys, values))
        out = F.scaled_dot_product_attention(asked, seen, told, attn_mask=part.mask.repeat(groups, 1))
        return out.view(self.heads, count, dim).transpose(0, 1).reshape(count, -1)

    def _singles(self, query: Tensor, keys: Tensor, values: Tensor, step: FlatPass) -> Tensor:
        """Make one call of torch for each token, with as little other work as possible, because for short rows that
        work takes longer than the arithmetic.
        """
        rows, heads, dim = query.shape
        own = query.reshape(rows, 1, self.kv_heads, -1, dim).unbind(0)
        slot, token = keys.stride(0), keys.stride(1)
        strides = (slot, dim, token, 1)
        said = []
        for asked, place, length in zip(own, step.slots.tolist(), step.lengths.tolist(), strict=False):
            shape, start = (1, self.kv_heads, length, dim), place * slot
            seen, told = keys.as_strided(shape, strides, start), values.as_strided(shape, strides, start)
            said.append(F.scaled_dot_product_attention(asked, seen, told))
        if len(said) < rows:
            said.append(query.new_zeros(rows - len(said), self.kv_heads, heads // self.kv_heads, dim))
        return torch.cat(said).view(rows, -1)
