"""The expert's knowledge of the room, from observations only, whoever chose the actions."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .reading import receptacles_of, type_of, views

__all__ = ["Belief"]

_NAME = r"([a-z]+ \d+)"
_TAKEN = re.compile(rf"You pick up the {_NAME} from the {_NAME}\.")
_PUT = re.compile(rf"You (?:move the {_NAME} to|put the {_NAME} in/on) the {_NAME}\.")
_PUTTING = re.compile(rf"move {_NAME} to {_NAME}|put {_NAME} in/on {_NAME}")
_CHANGED = re.compile(rf"You (heat|cool|clean) the {_NAME} using the {_NAME}\.")
_CARRYING = re.compile(rf"You are carrying: a {_NAME}\.")
_FACING = re.compile(r"You are facing the (.+?)\. Next to it")
_TURNED_ON = re.compile(rf"You turn on the {_NAME}\.")
_CLOSE = re.compile(rf"You close the {_NAME}\.")
_NAMES = re.compile(_NAME)


class Belief:
    """What the expert knows about an episode. `observe` must be called with every action and its observation."""

    def __init__(self, first_observation: str) -> None:
        self.receptacles = receptacles_of(first_observation)
        self.here: set[str] = set()
        """Receptacles that can be used from the agent's place."""
        self.last = ""
        """The receptacle that the agent went to or looked at last; empty at the start."""
        self.seen: dict[str, list[str]] = {}
        """Receptacle → what was last seen in it."""
        self.closed: set[str] = set()
        self.held: str | None = None
        self.treated: dict[str, set[str]] = {}
        """Object → what was done to it: clean, heat, cool."""
        self.lit: set[str] = set()
        self.failed: set[str] = set()
        """Actions without effect since the last action that changed anything."""
        self.refused: set[tuple[str, str]] = set()
        """(object type, receptacle) pairs for which putting had no effect although the agent stood there."""
        self.says_put = False
        """Whether the game's release says "put X in/on Y" rather than "move X to Y"."""

    def put_command(self, entity: str, receptacle: str) -> str:
        """The command of the game's release that puts an object down."""
        return f"put {entity} in/on {receptacle}" if self.says_put else f"move {entity} to {receptacle}"

    def where(self, wanted: str) -> Iterator[tuple[str, str]]:
        """Yield (object, receptacle) for the seen objects of a type; of several in one place, the last in the list
        comes first.
        """
        for receptacle, items in self.seen.items():
            for item in reversed(items):
                if type_of(item) == wanted:
                    yield item, receptacle

    def observe(self, action: str, observation: str) -> None:
        """Update the memory with an action and the observation that followed."""
        if observation.startswith("Nothing happens"):
            self._nothing(action)
            return
        verb, _, rest = action.partition(" ")
        place = rest.removeprefix("to ")
        if verb in ("go", "examine") and place in self.receptacles:
            self.last = place
        if observation.startswith("You arrive at "):
            self.says_put = observation.startswith("You arrive at loc ")
            self.here = set()
            self.failed.clear()
        self._read_views(observation)
        self._read_changes(observation)
        facing = _FACING.search(observation)
        if facing:
            self.here.update(_NAMES.findall(facing.group(1)))

    def _read_views(self, observation: str) -> None:
        for receptacle, items in views(observation):
            self.here.add(receptacle)
            if items is None:
                self.closed.add(receptacle)
                continue
            self.closed.discard(receptacle)
            self.seen[receptacle] = items
        if closed := _CLOSE.search(observation):
            self.closed.add(closed.group(1))

    def _read_changes(self, observation: str) -> None:
        if taken := _TAKEN.search(observation):
            self._take(*taken.groups())
        elif put := _PUT.search(observation):
            moved, placed, receptacle = put.groups()
            self._put(moved or placed, receptacle)
        elif changed := _CHANGED.search(observation):
            self._change(*changed.groups())
        elif lamp := _TURNED_ON.search(observation):
            self.lit.add(lamp.group(1))
        elif carrying := _CARRYING.search(observation):
            self.held = carrying.group(1)
        elif observation.startswith("You are not carrying"):
            self.held = None

    def _take(self, entity: str, receptacle: str) -> None:
        self.held = entity
        self.failed.clear()
        for items in self.seen.values():
            if entity in items:
                items.remove(entity)
        self.here.add(receptacle)

    def _put(self, entity: str, receptacle: str) -> None:
        self.held = None
        self.failed.clear()
        self.here.add(receptacle)
        self.seen.setdefault(receptacle, []).append(entity)

    def _change(self, how: str, entity: str, receptacle: str) -> None:
        self.here.add(receptacle)
        done = self.treated.setdefault(entity, set())
        done.add(how)
        done.discard({"heat": "cool", "cool": "heat"}.get(how, ""))

    def _nothing(self, action: str) -> None:
        """Learn from an action that did nothing."""
        self.failed.add(action)
        if action.startswith("take "):
            entity, _, receptacle = action.removeprefix("take ").partition(" from ")
            if entity in self.seen.get(receptacle, ()) and receptacle in self.here and self.held is None:
                self.seen[receptacle].remove(entity)
        elif found := _PUTTING.fullmatch(action):
            moved, receptacle = found.group(1) or found.group(3), found.group(2) or found.group(4)
            if moved == self.held and receptacle in self.here and receptacle not in self.closed:
                self.refused.add((type_of(moved), receptacle))
