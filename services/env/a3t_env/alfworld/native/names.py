"""Turns PDDL ids into the names that an agent reads: `Cabinet_bar__plus_00_dot_68_bar_…` becomes "cabinet 4"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

__all__ = ["demangle"]

_BAR = "_bar_"


def demangle(ids: Iterable[str]) -> dict[str, str]:
    """Return id → name for all ids that contain a position.

    Instances of a type are numbered downwards in the order of their sorted ids, so the last one is number 1
    (alfworld.agents.utils.misc.Demangler without shuffling). "basin" anywhere in an id makes its type a basin.
    """
    object_types = {id_: _type_of(id_) for id_ in sorted(ids) if _BAR in id_}
    left = Counter(object_types.values())
    names = {}
    for id_, object_type in object_types.items():
        names[id_] = f"{object_type} {left[object_type]}"
        left[object_type] -= 1
    return names


def _type_of(id_: str) -> str:
    object_type = id_.split(_BAR, 1)[0]
    return f"{object_type}basin" if "basin" in id_ else object_type
