"""Parses observations: names, lists of objects, receptacles."""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["listed", "receptacles_of", "type_of", "views"]

_NAME = r"[a-z]+ \d+"
_ITEM = re.compile(rf"a ({_NAME})")
_ROOM = re.compile(r"Looking quickly around you, you see (.+?)\.")
_OPEN = re.compile(rf"The ({_NAME}) is open\. In it, you see (.+?)\.(?:\s|$)")
_ON = re.compile(rf"On the ({_NAME}), you see (.+?)\.(?:\s|$)")
_CLOSED = re.compile(rf"The ({_NAME}) is closed\.")


def type_of(name: str) -> str:
    """ "cabinet" of "cabinet 3"."""
    return name.rsplit(" ", 1)[0]


def listed(text: str) -> list[str]:
    """Names in a list such as "a mug 1, and a plate 2"."""
    return _ITEM.findall(text)


def receptacles_of(observation: str) -> list[str]:
    """The receptacles that the first observation lists, in its order."""
    room = _ROOM.search(observation)
    return listed(room.group(1)) if room else []


def views(observation: str) -> Iterator[tuple[str, list[str] | None]]:
    """(receptacle, what is in it) for each receptacle described; None for a closed one."""
    for pattern in (_OPEN, _ON):
        for name, items in pattern.findall(observation):
            yield name, listed(items)
    for name in _CLOSED.findall(observation):
        yield name, None
