"""A cache bounded by the bytes that it holds, not by the number of its entries."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

__all__ = ["ByteCache"]

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

_ENTRY_BYTES = 200
"""What an entry costs beside its key and value: its place in a dictionary, the key's tuple."""
_LARGEST_SHARE = 16
"""An entry of more than this fraction of the cache is not kept: it would push out too much of the rest."""


class ByteCache(Generic[KeyT, ValueT]):
    """Two generations of entries of half the size each. What is used moves to the young one; when that is full, the old
    one is forgotten and the young one grows old. So a hit costs one look into a dictionary. Thread-safe.

    Args:
        size: bytes that all entries together may take.
        weigh: bytes of a key and its value.
    """

    def __init__(self, size: int, weigh: Callable[[KeyT, ValueT], int]) -> None:
        self._half, self._largest, self._weigh = size // 2, size // _LARGEST_SHARE, weigh
        self._young: dict[KeyT, ValueT] = {}
        self._old: dict[KeyT, ValueT] = {}
        self._young_bytes = self._old_bytes = 0
        self._lock = Lock()

    def get(self, key: KeyT, make: Callable[[], ValueT]) -> ValueT:
        """The value of a key; `make` gives it where it is not kept, maybe once in each of several threads."""
        found = self._young.get(key)
        if found is not None:
            return found
        value = self._old.get(key)
        if value is None:
            value = make()
        self._keep(key, value)
        return value

    @property
    def bytes(self) -> int:
        """What the entries weigh now."""
        return self._young_bytes + self._old_bytes

    def __len__(self) -> int:
        return len(self._young.keys() | self._old.keys())

    def _keep(self, key: KeyT, value: ValueT) -> None:
        weight = _ENTRY_BYTES + self._weigh(key, value)
        if weight > self._largest:
            return
        with self._lock:
            if key in self._young:
                return
            if self._young_bytes + weight > self._half:
                self._old, self._old_bytes = self._young, self._young_bytes
                self._young, self._young_bytes = {}, 0
            self._young[key] = value
            self._young_bytes += weight
