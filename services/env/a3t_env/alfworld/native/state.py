"""The facts of an episode that change: at its start and after each action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Start", "State"]

_Pairs = Mapping[int, frozenset[int]]


@dataclass(frozen=True, slots=True)
class Start:
    """The changing facts at the beginning of an episode."""

    location: int
    held: int | None
    contents: _Pairs
    """Receptacle → objects in it."""
    lying: _Pairs
    """Location → objects at it."""
    opened: frozenset[int]
    clean: frozenset[int]
    hot: frozenset[int]
    cool: frozenset[int]
    sliced: frozenset[int]
    toggled: frozenset[int]


class State:
    """Mutable copy of a game's start. Sets are shared with the start until they change."""

    __slots__ = (
        "clean",
        "contents",
        "cool",
        "held",
        "hot",
        "left",
        "location",
        "lying",
        "opened",
        "sliced",
        "toggled",
    )

    def __init__(self, start: Start) -> None:
        self.location: int = start.location
        self.held: int | None = start.held
        self.contents: dict[int, frozenset[int]] = dict(start.contents)
        self.lying: dict[int, frozenset[int]] = dict(start.lying)
        self.opened: frozenset[int] = start.opened
        self.clean: frozenset[int] = start.clean
        self.hot: frozenset[int] = start.hot
        self.cool: frozenset[int] = start.cool
        self.sliced: frozenset[int] = start.sliced
        self.toggled: frozenset[int] = start.toggled
        self.left: frozenset[tuple[int, int]] = frozenset()
        """(object, receptacle) for each object that was taken out of the receptacle and not put back."""

    def take(self, entity: int, receptacle: int) -> None:
        """Move an object from a receptacle to the agent's hand. If another receptacle lists it too, it stays there."""
        self.contents[receptacle] = self.contents[receptacle] - {entity}
        self.left |= {(entity, receptacle)}
        self.lying[self.location] = self.lying.get(self.location, frozenset()) - {entity}
        self.held = entity

    def put(self, entity: int, receptacle: int) -> None:
        """Move the held object to a receptacle."""
        self.contents[receptacle] = self.contents[receptacle] | {entity}
        self.left -= {(entity, receptacle)}
        self.lying[self.location] = self.lying.get(self.location, frozenset()) | {entity}
        self.held = None
