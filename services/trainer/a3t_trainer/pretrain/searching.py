"""In which order a search goes through the places of a room."""

from __future__ import annotations

import random
from collections.abc import Sequence

from .scripts import type_of

__all__ = ["search_order"]

_LISTED, _SKIPPING, _BY_KIND = 0.4, 0.4, 0.1
"""Shares of the orders: as listed, as listed but some kinds of places last, kind by kind; the rest is random."""
_SKIPPED = 0.35
"""Probability that a search which skips leaves a kind of place for last."""


def search_order(receptacles: Sequence[str], rng: random.Random, after: str | None = None) -> list[str]:
    """Mostly one that can be foreseen: on from where one stands (`after`; None: from anywhere) as the room lists its
    places, round to the start of the list."""
    start = rng.randrange(len(receptacles)) if after is None else receptacles.index(after) + 1
    listed = [*receptacles[start:], *receptacles[:start]]
    luck = rng.random()
    if luck < _LISTED:
        return listed
    kinds = sorted({type_of(r) for r in listed})
    if luck < _LISTED + _SKIPPING:
        last = {kind for kind in kinds if rng.random() < _SKIPPED}
        return sorted(listed, key=lambda r: type_of(r) in last)
    if luck < _LISTED + _SKIPPING + _BY_KIND:
        rng.shuffle(kinds)
        return sorted(listed, key=lambda r: kinds.index(type_of(r)))
    return rng.sample(listed, len(listed))
