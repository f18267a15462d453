"""The order in which a search visits the places of a room, from where things usually are."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence

from .scripts import type_of

__all__ = ["Usual", "search_order"]

_PLAUSIBLE, _SKIPPING = 0.85, 0.1
"""Shares (0 to 1) of two kinds of orders: as listed with implausible places last, and as listed with some random
types of places last. The other orders are random. If names are permuted in training, the first kind looks like the
second.
"""
_SKIPPED = 0.35
"""Probability with which a search leaves a type of place for last."""
_LEAST = 0.05
"""A place is implausible if objects of the type are there less often than this fraction of the frequency at the most
frequent place.
"""


class Usual:
    """Counts how often objects of a type are in places of a type. Call `add` for each room, then `of`."""

    def __init__(self) -> None:
        self._found: dict[str, Counter[str]] = {}
        """Type of thing → type of place → in how many such places there was one."""
        self._places: dict[str, Counter[str]] = {}
        """Type of thing → type of place → how many there are in the rooms that have such a thing."""

    def add(self, contents: Mapping[str, Sequence[str]]) -> None:
        """Count a room: receptacle → things."""
        places = Counter(map(type_of, contents))
        for wanted in {type_of(item) for items in contents.values() for item in items}:
            self._places.setdefault(wanted, Counter()).update(places)
        for receptacle, items in contents.items():
            for wanted in set(map(type_of, items)):
                self._found.setdefault(wanted, Counter())[type_of(receptacle)] += 1

    def of(self, wanted: str) -> dict[str, float]:
        """Type of place → share of such places that have one, in rooms with such a thing; empty for an unknown
        thing."""
        places = self._places.get(wanted, Counter())
        return {place: count / places[place] for place, count in self._found.get(wanted, Counter()).items()}


def search_order(
    receptacles: Sequence[str], rng: random.Random, usual: Mapping[str, float], after: str | None = None
) -> list[str]:
    """Draw the order of a search. In most cases it can be predicted.

    A predictable order follows the room's list of places, beginning at the agent's place (`after`; None: at the most
    frequent place of such objects, or at any place), and continues at the start of the list. `usual`: see `Usual.of`.
    """
    luck = rng.random()
    start = rng.randrange(len(receptacles)) if after is None else receptacles.index(after) + 1
    if luck < _PLAUSIBLE and usual:
        worth = [usual.get(type_of(r), 0.0) for r in receptacles]
        if after is None:
            start = worth.index(max(worth))
        least = _LEAST * max(worth)
        last = {type_of(r) for r, w in zip(receptacles, worth, strict=True) if w < least}
        return _skipping([*receptacles[start:], *receptacles[:start]], last)
    if luck >= _PLAUSIBLE + _SKIPPING:
        return rng.sample(receptacles, len(receptacles))
    types = sorted(set(map(type_of, receptacles)))
    last = {name for name in types if rng.random() < _SKIPPED}
    return _skipping([*receptacles[start:], *receptacles[:start]], last)


def _skipping(listed: list[str], last: set[str]) -> list[str]:
    return sorted(listed, key=lambda r: type_of(r) in last)
