"""KV slots: rows of a static cache. A slot is kept after its sequence, so that the next turn reuses it."""

from __future__ import annotations

import math
import mmap
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

__all__ = ["CacheShape", "SlotPool"]

_GRANULE = 64
"""Attention reads whole granules, so that a row's sums have the same order whatever the longest row is."""
_STALE_SECONDS = 60.0
"""A slot that was not used for so long is taken before one that never was, so that light use takes little memory."""
_MIN_COPY = 16
"""Shorter prefixes are recomputed: copying them costs more than it saves."""


@dataclass(frozen=True, slots=True)
class CacheShape:
    """What a KV cache needs to know of a model."""

    layers: int
    kv_heads: int
    head_dim: int

    @classmethod
    def of(cls, config: object) -> CacheShape:
        """From a transformers config."""
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
    """`slots` rows of keys and values for `context` tokens each, and which tokens of which version they hold.

    Tensors are (slots + 1, width, kv_heads, head_dim) a layer, `width` the granules that hold `context` + 1 tokens:
    the last row takes what padding rows write, the last position what padding tokens write. Not thread-safe: the
    engine's thread alone uses it.
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
        """The width of the granules that hold so many tokens."""
        return -(-tokens // _GRANULE) * _GRANULE

    def acquire(self, prompt: Sequence[int], version: int) -> tuple[int, int] | None:
        """A slot for a sequence of a version, and how many of its first tokens it holds already (always fewer than
        the prompt has). None while every slot is busy."""
        idle = ~self.busy
        if not idle.any():
            return None
        wanted = np.asarray(prompt[:-1], dtype=np.int32)
        source, matched = self._longest_prefix(wanted, version)
        if matched and idle[source] and matched == self.length[source]:
            slot = source
        else:
            slot = self._least_recent(idle)
            if slot != source:  # else what it holds of another prompt beyond the common prefix is given up
                matched = matched if matched >= _MIN_COPY else 0
                self._copy(source, slot, matched)
        self._touch(slot)
        self.busy[slot] = True
        self.version[slot] = version
        self.tokens[slot, :matched] = wanted[:matched]
        self.length[slot] = matched
        return slot, matched

    def extend(self, slot: int, tokens: Sequence[int]) -> None:
        """Note that keys and values of further tokens have been written."""
        start = int(self.length[slot])
        self.tokens[slot, start : start + len(tokens)] = tokens
        self.length[slot] = start + len(tokens)

    def release(self, slot: int) -> None:
        """Free the slot. Its keys and values are kept, so that the next turn of the episode can reuse them."""
        self._touch(slot)
        self.busy[slot] = False

    def wipe(self, slot: int, tokens: int) -> None:
        """Empty a slot whose sequence failed, of which `tokens` may have been written: what a broken pass wrote must
        not reach whoever gets the slot next."""
        self.length[slot] = 0
        for tensor in (*self.keys, *self.values):
            tensor[slot, :tokens].zero_()

    def forget(self, version: int | None = None) -> None:
        """Drop the cached prefixes of a version that has left, or all of them."""
        gone = ~self.busy if version is None else (self.version == version) & ~self.busy
        self.length[gone] = 0
        self.version[gone] = -1
        self._last_used[gone] = 0

    def _touch(self, slot: int) -> None:
        self._clock += 1
        self._last_used[slot] = self._clock
        self._used_at[slot] = time.monotonic()

    def _least_recent(self, idle: np.ndarray) -> int:
        """The idle slot to give up: one that nobody used for long, else one that was never used, else the one that was
        used longest ago."""
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


def _zeros(size: tuple[int, ...], device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Zeros, because what is masked must still be finite. On a CPU memory is taken when it is written and no sooner, in
    small pages: a huge one (2 MiB, which numpy asks for) would be a whole slot's row for the first token in it."""
    if device.type != "cpu":
        return torch.zeros(size, device=device, dtype=dtype)
    memory = mmap.mmap(-1, math.prod(size) * dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_NOHUGEPAGE"):
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    return torch.frombuffer(memory, dtype=dtype).view(size)
