"""A cache bounded by the bytes that it holds, not by the number of its entries."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import fields, is_dataclass
from sys import getsizeof
from threading import Lock
from typing import Any, Generic, TypeVar

__all__ = ["ByteCache", "held_bytes"]

KeyT = TypeVar("KeyT", bound=Hashable)
ValueT = TypeVar("ValueT")

_ENTRY_BYTES = 200
"""What an entry costs beside its key and value: its place in a dictionary, which has room to spare."""
_LARGEST_SHARE = 16
"""An entry of more than this fraction of the cache is not kept: it would push out too much of the rest."""
_BLOCK = 16
"""Python's allocator gives memory in multiples of so many bytes."""
_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})


def held_bytes(*values: object) -> int:
    """Bytes of memory that values take with all that they hold: containers, dataclasses and plain values. What several
    of them share is counted once."""
    seen: set[int] = set()
    stack: list[Any] = list(values)
    total = 0
    while stack:
        value = stack.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        total += getsizeof(value) + _BLOCK - 1 & -_BLOCK
        if type(value) in _PLAIN:
            continue
        if isinstance(value, dict):
            stack += value.keys()
            stack += value.values()
        elif isinstance(value, list | tuple | set | frozenset):
            stack += value
        elif is_dataclass(value) and not isinstance(value, type):
            stack += [getattr(value, field.name) for field in fields(value)]
    return total


class _Young(dict[KeyT, ValueT]):
    """A dictionary that asks `missing` for what it lacks."""

    __slots__ = ("_missing",)

    def __init__(self, missing: Callable[[KeyT], ValueT]) -> None:
        super().__init__()
        self._missing = missing

    def __missing__(self, key: KeyT) -> ValueT:
        return self._missing(key)


class ByteCache(Generic[KeyT, ValueT]):
    """Two generations of entries of half the size each. What is used moves to the young one; when that is full, the old
    one is forgotten and the young one grows old. So a hit costs one look into a dictionary. Thread-safe.

    Args:
        size: bytes that all entries together may take.
        make: gives the value of a key that is not kept, maybe once in each of several threads. What it raises, `get`
            raises, and nothing is kept.
        weigh: bytes of a key and its value; by default they are looked through with `held_bytes`. A function of one's
            own is faster for values of a known form.
    """

    def __init__(
        self, size: int, make: Callable[[KeyT], ValueT], weigh: Callable[[KeyT, ValueT], int] = held_bytes
    ) -> None:
        self._half, self._largest = size // 2, size // _LARGEST_SHARE
        self._make, self._weigh = make, weigh
        self._young: _Young[KeyT, ValueT] = _Young(self._missing)
        self._old: dict[KeyT, ValueT] = {}
        self._young_bytes = self._old_bytes = 0
        self._lock = Lock()
        self.get: Callable[[KeyT], ValueT] = self._young.__getitem__
        """The value of a key."""

    @property
    def bytes(self) -> int:
        """Bytes that all entries take now."""
        return self._young_bytes + self._old_bytes

    def __len__(self) -> int:
        with self._lock:
            return len(self._young.keys() | self._old.keys())

    def _missing(self, key: KeyT) -> ValueT:
        old = self._old
        value = old[key] if key in old else self._make(key)
        weight = _ENTRY_BYTES + self._weigh(key, value)
        if weight > self._largest:
            return value
        with self._lock:
            if key in self._young:
                return value
            if self._young_bytes + weight > self._half:
                self._old, self._old_bytes = dict(self._young), self._young_bytes
                self._young.clear()
                self._young_bytes = 0
            self._young[key] = value
            self._young_bytes += weight
        return value
