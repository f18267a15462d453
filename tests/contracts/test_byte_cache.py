"""Caches hold no more memory than they were given, measured by the interpreter and not by their own count."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from a3t_contracts.byte_cache import ByteCache, held_bytes

SIZE = 2 * 2**20


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    texts: list[str] = field(default_factory=list)
    prices: dict[str, float] = field(default_factory=dict)


def record(number: int) -> Record:
    texts = [f"{number} {place} a lamp" for place in range(30)]
    return Record("é漢" * 50 + str(number), texts, dict.fromkeys(texts, number + 0.5))


MAKERS: dict[str, Callable[[int], Any]] = {
    "short texts": lambda number: f"{number} cabinet",
    "long texts": lambda number: f"{number}" + "x" * 100_000,
    "wide texts": lambda number: f"{number} 🙂" + "x" * 1000,
    "numbers": lambda number: tuple(range(number * 1000, number * 1000 + 300)),
    "records": record,
    "sets": lambda number: frozenset(str(number * 100 + place) for place in range(100)),
}


def growth(work: Callable[[], object]) -> int:
    """Bytes that are allocated after `work` and were not before; what it returns is kept meanwhile."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        kept = work()
        grown = tracemalloc.get_traced_memory()[0] - before
        del kept
        return grown
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("kind", MAKERS)
def test_many_entries_take_no_more_memory_than_allowed(kind: str) -> None:
    cache: ByteCache[int, Any] = ByteCache(SIZE, MAKERS[kind])

    def fill() -> None:
        for number in range(20_000 if kind == "short texts" else 1500):
            cache.get(number)

    assert SIZE / 4 < growth(fill) <= SIZE
    assert cache.bytes <= SIZE


@pytest.mark.parametrize("kind", MAKERS)
def test_values_are_weighed_as_the_interpreter_counts_them(kind: str) -> None:
    values: list[Any] = []
    taken = growth(lambda: values.extend(MAKERS[kind](number) for number in range(1000, 1200)))
    assert taken * 0.95 <= held_bytes(values) <= taken * 1.25


def test_what_several_values_share_is_counted_once() -> None:
    text = "x" * 10_000
    assert held_bytes([text] * 50) < 11_000


def test_a_cache_keeps_what_is_used_and_forgets_the_rest() -> None:
    made: list[str] = []

    def make(key: str) -> str:
        made.append(key)
        return "v" * (90_000 if key == "huge" else 1000)

    cache = ByteCache(100_000, make)
    for n in range(500):
        cache.get("used")
        cache.get(f"other {n}")
        assert cache.bytes <= 100_000
    assert made.count("used") == 1
    assert cache.get("other 0") == "v" * 1000
    assert made.count("other 0") == 2
    for _ in range(2):
        cache.get("huge")
    assert made.count("huge") == 2


def test_nothing_is_kept_of_what_fails_and_none_is_a_value() -> None:
    asked: list[int] = []

    def make(key: int) -> None:
        asked.append(key)
        if key < 0:
            raise ValueError(key)

    cache = ByteCache(10_000, make)
    for key in (1, 1, -1, -1):
        if key < 0:
            with pytest.raises(ValueError, match="-1"):
                cache.get(key)
        else:
            assert cache.get(key) is None
    assert asked == [1, -1, -1]
