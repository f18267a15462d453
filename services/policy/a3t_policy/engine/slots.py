"""KV slots: rows of a static cache. A slot keeps its content after its sequence has ended, so that the next turn can
reuse it.
"""

from __future__ import annotations

import math
import mmap
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["CacheShape", "SlotPool", "write_tokens"]

_GRANULE = 64
"""Tokens of a granule. Attention reads whole granules, so that the order of a row's sums does not depend on the
longest row.
"""
_STALE_SECONDS = 60.0
"""Seconds without use after which a used slot is taken before a never used one, so that light load takes little
memory.
"""
_MIN_COPY = 16
"""Prefixes with fewer tokens than this are computed again, because copying them would take longer."""


@dataclass(frozen=True, slots=True)
class CacheShape:
    """Dimensions of a model that the KV cache needs."""

    layers: int
    kv_heads: int
    head_dim: int

    @classmethod
    def of(cls, config: object) -> CacheShape:
        """The shape from a transformers config."""
        heads: int = config.num_attention_heads  # type: ignore[attr-defined]
        return cls(
            layers=config.num_hidden_layers,  # type: ignore[attr-defined]
            kv_heads=getattr(config, "num_key_value_heads", None) or heads,
            head_dim=getattr(config, "head_dim", None) or config.hidden_size // heads,  # type: ignore[attr-defined]
        )

    def bytes_per_token(self, dtype: torch.dtype) -> int:
        """Bytes of keys and values of one token."""
        return 2 * self.layers * self.kv_heads * self.head_dim * dtype.itemsize


class SlotPool:
    """`slots` rows of keys and values for `context` tokens each, and a record of the tokens and version in each row.

    Each layer has tensors (slots + 1, width, kv_heads, head_dim), where `width` is `context` + 1 rounded up to whole
    granules. Padding rows write to the last row, padding tokens to the last position. Not thread-safe: only the
    engine's thread uses the pool.
    """

    def __init__(self, slots: int, context: int, shape: CacheShape, device: torch.device, dtype: torch.dtype) -> None:
        self.slots, self.context = slots, context
        self.width = self.granules(context + 1)
        size = (slots + 1, self.width, shape.kv_heads, shape.head_dim)
        self.keys = [_zeros(size, device, dtype) for _ in range(shape.layers)]
        self.values = [_zeros(size, device, dtype) for _ in range(shape.layers)]
        self.tokens = np.zeros((slots, context), dtype=np.int32)
        self.length = np.zeros(slots, dtype=np.int64)
        self.version = np.full(slots, -1, dtype=np.int64)
        self.busy = np.zeros(slots, dtype=bool)
        self._last_used = np.zeros(slots, dtype=np.int64)
        self._used_at = np.full(slots, np.inf)
        self._clock = 0

    @property
    def padding_row(self) -> int:
        """Row that the padding of a batch writes to; no sequence uses it."""
        return self.slots

    @property
    def padding_position(self) -> int:
        """Position that the padding of a batch writes to; no sequence uses it."""
        return self.width - 1

    @staticmethod
    def granules(tokens: int) -> int:
        """`tokens` rounded up to whole granules."""
        return -(-tokens // _GRANULE) * _GRANULE

    def acquire(self, prompt: Sequence[int], version: int) -> tuple[int, int] | None:
        """Take a slot for a sequence. Returns the slot, and how many of the prompt's first tokens it has already
        (always fewer than all); None while every slot is in use.
        """
        idle = ~self.busy
        if not idle.any():
            return None
        wanted = np.asarray(prompt[:-1], dtype=np.int32)
        source, matched = self._longest_prefix(wanted, version)
        if matched and idle[source] and matched == self.length[source]:
            slot = source
        else:
            slot = self._least_recent(idle)
            if slot != source:  # else the slot's content after the common prefix is overwritten
                matched = matched if matched >= _MIN_COPY else 0
                self._copy(source, slot, matched)
        self._touch(slot)
        self.busy[slot] = True
        self.version[slot] = version
        self.tokens[slot, :matched] = wanted[:matched]
        self.length[slot] = matched
        return slot, matched

    def extend(self, slot: int, tokens: Sequence[int]) -> None:
        """Record that keys and values of further tokens were written."""
        start = int(self.length[slot])
        self.tokens[slot, start : start + len(tokens)] = tokens
        self.length[slot] = start + len(tokens)

    def release(self, slot: int) -> None:
        """Free the slot. Its keys and values are kept for the next turn of the episode."""
        self._touch(slot)
        self.busy[slot] = False

    def wipe(self, slot: int, tokens: int) -> None:
        """Empty the slot of a failed sequence, so that nothing that the failed pass wrote (up to `tokens` tokens) is
        reused.
        """
        self.length[slot] = 0
        for tensor in (*self.keys, *self.values):
            tensor[slot, :tokens].zero_()

    def forget(self, version: int | None = None) -> None:
        """Drop the cached prefixes of an unloaded version, or of all versions."""
        gone = ~self.busy if version is None else (self.version == version) & ~self.busy
        self.length[gone] = 0
        self.version[gone] = -1
        self._last_used[gone] = 0

    def _touch(self, slot: int) -> None:
        self._clock += 1
        self._last_used[slot] = self._clock
        self._used_at[slot] = time.monotonic()

    def _least_recent(self, idle: np.ndarray) -> int:
        """The idle slot to reuse: one that was unused for a long time, else one that was never used, else the least
        recently used one.
        """
        stale = idle & (self._used_at < time.monotonic() - _STALE_SECONDS)
        return int(np.where(stale if stale.any() else idle, self._last_used, np.iinfo(np.int64).max).argmin())

    def _longest_prefix(self, wanted: np.ndarray, version: int) -> tuple[int, int]:
        rows = np.flatnonzero((self.version == version) & (self.length > 0))
        if not len(rows) or not len(wanted):
            return -1, 0
        width = min(len(wanted), int(self.length[rows].max()))
        equal = self.tokens[rows, :width] == wanted[:width]
        run = np.where(equal.all(axis=1), width, equal.argmin(axis=1))
        matched = np.minimum(run, self.length[rows])
        best = int(np.lexsort((self.busy[rows], -matched))[0])
        return int(rows[best]), int(matched[best])

    def _copy(self, source: int, target: int, tokens: int) -> None:
        for tensor in (*self.keys, *self.values):
            tensor[target, :tokens] = tensor[source, :tokens]


def write_tokens(tensor: torch.Tensor, places: torch.Tensor, new: torch.Tensor) -> None:
    """Write keys or values to the pool's tensor of a layer.

    Args:
        places: place of each token among all positions of the pool, (n,).
        new: (..., kv heads, head size), n tokens in all.
    """
    tensor.view(-1, *tensor.shape[2:]).index_copy_(0, places, new.reshape(-1, *tensor.shape[2:]))


def _zeros(size: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Allocate zeros, because masked values must be finite. On a CPU, the operating system allocates memory at the
    first write, in small pages. With huge pages (2 MiB, numpy's default), the first token would allocate a whole
    row.
    """
    if device.type != "cpu":
        return torch.zeros(size, device=device, dtype=dtype)
    memory = mmap.mmap(-1, math.prod(size) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(size)
