"""Turns PDDL ids into the names that an agent reads: `Cabinet_bar__plus_00_dot_68_bar_…` becomes "cabinet 4"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["demangle"]

_BAR = "_bar_"


def demangle(ids: Iterable[str]) -> dict[str, str]:
    """Return id → name for all ids that contain a position.

    Instances of a kind are numbered downwards in the order of their sorted ids, so the last one is number 1
    (alfworld.agents.utils.misc.Demangler without shuffling). "basin" anywhere in an id makes its kind a basin.
    """
    kinds = {id_: _kind(id_) for id_ in sorted(ids) if _BAR in id_}
    left = Counter(kinds.values())
    names = {}
    for id_, kind in kinds.items():
        names[id_] = f"{kind} {left[kind]}"
        left[kind] -= 1
    return names


def _kind(id_: str) -> str:
    kind = id_.split(_BAR, 1)[0]
    return f"{kind}basin" if "basin" in id_ else kind
