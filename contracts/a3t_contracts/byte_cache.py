"""A cache whose size is limited in bytes, not in entries."""

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
"""Bytes that an entry takes in addition to its key and value: its slot in a dictionary."""
_LARGEST_SHARE = 16
"""An entry that is larger than 1/16 of the cache is not kept, because it would replace too many others."""
_BLOCK = 16
"""Python's allocator hands out memory in multiples of this number of bytes."""
_PLAIN = frozenset({str, bytes, int, float, bool, type(None)})


def held_bytes(*values: object) -> int:
    """Return the bytes of memory that values take, with everything that they contain: containers, dataclasses and plain
    values. An object that occurs several times is counted once."""
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
    """A dictionary that computes a missing value with `missing`."""

    __slots__ = ("_missing",)

    def __init__(self, missing: Callable[[KeyT], ValueT]) -> None:
        super().__init__()
        self._missing = missing

    def __missing__(self, key: KeyT) -> ValueT:
        return self._missing(key)


class ByteCache(Generic[KeyT, ValueT]):
    """A thread-safe cache with a limit in bytes and about least-recently-used replacement.

    It holds two generations of entries, each of at most half the size. An entry that is used moves to the young
    generation. When the young one is full, the old one is dropped and the young one takes its place. A hit in the young
    generation costs one dictionary lookup.

    Args:
        size: largest number of bytes of all entries together.
        make: computes the value of a key that is not kept. Several threads may compute the same value at once. An
            exception of `make` is raised by `get`, and nothing is kept.
        weigh: returns the bytes of a key and its value; by default `held_bytes`. A function that knows the form of the
            values is faster.
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
        """Returns the value of a key, and computes it with `make` where it is not kept."""

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
