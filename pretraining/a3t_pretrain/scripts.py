"""Scripts that play exercises: find, errand, wander, and slips (deliberate mistakes).

A script is a generator: it yields actions and receives the observations that follow.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

from a3t_actre.environments.alfworld.view import type_of

__all__ = [
    "MOST_VISITS",
    "Act",
    "Hunt",
    "Script",
    "Seen",
    "Slips",
    "Stop",
    "errand",
    "find",
    "is_lamp",
    "items_of",
    "putting",
    "receptacles_of",
    "scout",
    "taking",
    "type_of",
    "wander",
]

_ITEM = re.compile(r"\ban? ([a-z]+ \d+)")
_SEE = re.compile(r"you see ([^.]*)\.")
MOST_VISITS = 30
"""Largest number of places that a search visits."""
_WANDER_WEIGHTS = {
    "go": 6.0,
    "take": 6.0,
    "move": 4.0,
    "put": 4.0,
    "open": 8.0,
    "heat": 12.0,
    "cool": 12.0,
    "clean": 12.0,
    "use": 3.0,
    "slice": 3.0,
    "close": 0.5,
    "examine": 0.5,
    "look": 0.3,
    "inventory": 0.3,
    "help": 0.03,
}


@dataclass(frozen=True, slots=True)
class Seen:
    """The observation after an action, and the admissible actions."""

    observation: str
    valid: bool = True
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """The next action. `slip` is the thought of a deliberate mistake; None for a correct action."""

    action: str
    slip: str | None = None


Script = Generator[Act, Seen, bool]
"""A generator that yields actions, receives their observations, and returns whether the exercise succeeded."""

Stop = tuple[str, list[str]]
"""A place, and the action there in the wordings of both releases of the game."""


@dataclass(frozen=True, slots=True)
class Hunt:
    """The search that follows an errand.

    It has the type of object to search for, the places in order, the places that need not be visited because the script
    was there (for example where an object was delivered), and a function that returns the stops for a found object
    (object, place).
    """

    wanted: str
    order: list[str]
    known: list[str]
    then: Callable[[str, str], list[Stop]]


def receptacles_of(observation: str) -> list[str]:
    """The receptacles that the first observation lists, in its order."""
    return _ITEM.findall(observation.partition("Your task is to:")[0])


def items_of(observation: str) -> list[str]:
    """The things that an observation lists."""
    return [item for listing in _SEE.findall(observation) for item in _ITEM.findall(listing)]


def scout(found: dict[str, list[str]]) -> Callable[[Seen], Script]:
    """A script that looks into every receptacle of a room and stores the contents in `found`."""

    def script(start: Seen) -> Script:
        for receptacle in receptacles_of(start.observation):
            found[receptacle] = items_of((yield from _visit(receptacle)).observation)
        return True

    return script


def taking(thing: str, source: str) -> Stop:
    """A stop at `source` whose action takes `thing` from there."""
    return source, [f"take {thing} from {source}"]


def putting(thing: str, place: str) -> Stop:
    """A stop at `place` whose action puts `thing` there, in the words of either version of the game."""
    return place, [f"move {thing} to {place}", f"put {thing} in/on {place}"]


class Slips:
    """Draws deliberate mistakes, each with its thought."""

    def __init__(self, receptacles: list[str], wanted: str, rate: float, rng: random.Random) -> None:
        self._receptacles, self._wanted, self._rate, self._rng = receptacles, wanted, rate, rng

    def seeking(self, wanted: str) -> Slips:
        """The same slips for a search for something else."""
        return Slips(self._receptacles, wanted, self._rate, self._rng)

    def none(self) -> Slips:
        """Slips that never occur."""
        return Slips(self._receptacles, self._wanted, 0.0, self._rng)

    def looking(self, visited: Sequence[str]) -> Script:
        """A slip before the next place of a search. Returns whether one was made."""
        if not self._due():
            return False
        if visited and self._rng.random() < 0.6:
            for _ in range(self._times()):
                yield from self._again(self._rng.choice((visited[-1], self._rng.choice(visited))))
            return True
        return (yield from self._one(self._rng.choice(self._receptacles), ()))

    def taking(self, at: str, seen: Sequence[str]) -> Script:
        """A slip at a place whose contents are known."""
        return (yield from self._one(at, seen)) if self._due(0.7) else False

    def carrying(self, thing: str, goal: str) -> Script:
        """Make a slip while an object is carried to `goal`: go to a wrong place, and sometimes put the object down
        there. Picking it up again is not a slip.
        """
        places = [place for place in self._receptacles if type_of(place) != type_of(goal)]
        if not places or not self._due():
            return False
        place = self._rng.choice(places)
        seen = yield Act(f"go to {place}", f"I have {thing}. I put it in {place}.")
        if f"The {place} is closed." in seen.observation:
            seen = yield Act(f"open {place}", f"The {place} is closed. I open it.")
        put = next((c for c in putting(thing, place)[1] if c in seen.actions), None)
        if put is not None and self._rng.random() < 0.5:
            yield Act(put, f"I put {thing} in {place}.")
            yield Act(f"take {thing} from {place}")
        return True

    def _times(self) -> int:
        """Number of repetitions of a mistake, so that the agent also learns to recover from repeated mistakes."""
        return self._rng.choices((1, 2, 3, 4), (12, 4, 2, 2))[0]

    def _due(self, share: float = 1.0) -> bool:
        return self._rng.random() < self._rate * share

    def _again(self, place: str) -> Generator[Act, Seen, None]:
        """Go to a place that was seen already. If the agent is there, it examines the place again."""
        seen = yield Act(f"go to {place}", f"I look for {self._wanted}. Next I check {place}.")
        if not seen.valid and self._rng.random() < 0.5:
            yield Act(f"examine {place}", f"I am already at {place}. I examine it.")

    def _one(self, at: str, seen: Sequence[str]) -> Script:
        """Taking something that is not there, or going to a place that does not exist."""
        if self._rng.random() < 0.7:
            thing = f"{self._wanted} {self._rng.randint(1, 4)}"
            act = Act(f"take {thing} from {at}", f"I look for {thing}. It is here. I take it.")
            mistaken = thing not in seen
        else:
            place = f"{type_of(self._rng.choice(self._receptacles))} {self._rng.randint(10, 40)}"
            act = Act(f"go to {place}", f"I look for {self._wanted}. Next I check {place}.")
            mistaken = place not in self._receptacles
        if mistaken:
            for _ in range(self._times()):
                yield act
        return mistaken


def find(wanted: str, order: list[str], slips: Slips) -> Script:
    """Play the search for an object of type `wanted`: visit places in `order`, then take it, or use it if it is a
    lamp."""
    found = yield from _search(wanted, order, slips)
    if found is None:
        return False
    thing, place, _ = found
    return (yield Act(f"use {thing}" if is_lamp(thing) else f"take {thing} from {place}")).valid


def _search(
    wanted: str, order: list[str], slips: Slips, known: Sequence[str] = ()
) -> Generator[Act, Seen, tuple[str, str, Seen] | None]:
    """Visit places until one has a wanted object. Returns the last such object in the observation, the place and the
    observation. `known` are places that were seen before; only slips return to them.
    """
    for number, receptacle in enumerate(order[:MOST_VISITS]):
        yield from slips.looking([*known, *order[:number]])
        sight = yield from _visit(receptacle)
        items = items_of(sight.observation)
        yield from slips.taking(receptacle, items)
        matching = [item for item in items if type_of(item) == wanted]
        if matching:
            return matching[-1], receptacle, sight
    return None


def errand(stops: list[Stop], slips: Slips, hunt: Hunt | None = None) -> Script:
    """Carry out the action of each stop in the wording of the game, then the hunt."""
    yield from slips.looking(())
    # A slip on the way could show the wanted object before the search for it begins.
    if not (yield from _make(stops, slips if hunt is None else slips.none(), "", Seen(""))):
        return False
    if hunt is None:
        return True
    found = yield from _search(hunt.wanted, hunt.order, slips.seeking(hunt.wanted), hunt.known)
    if found is None:
        return False
    thing, place, sight = found
    return (yield from _make(hunt.then(thing, place), slips, place, sight))


def _make(stops: list[Stop], slips: Slips, at: str, seen: Seen) -> Script:
    """Carry out the stops one after the other, beginning at the agent's place with what it sees there."""
    held = ""
    for place, commands in stops:
        if held and (yield from slips.carrying(held, place)):
            at = ""
        if place != at:
            seen, at = (yield from _visit(place, open_it=commands[0].startswith(("take", "move")))), place
            if not held:
                yield from slips.taking(place, items_of(seen.observation))
        command = next((c for c in commands if c in seen.actions), None)
        if command is None:
            return False
        seen = yield Act(command)
        held = _held_after(command, held)
    return True


def _held_after(command: str, held: str) -> str:
    verb, _, rest = command.partition(" ")
    if verb == "take":
        return rest.partition(" from ")[0]
    return "" if verb in ("move", "put") else held


def wander(start: Seen, rng: random.Random) -> Script:
    """Play 6 to 12 admissible actions that are drawn at random, with verbs weighted by `_WANDER_WEIGHTS`."""
    seen = start
    for _ in range(rng.randint(6, 12)):
        by_verb: dict[str, list[str]] = {}
        for action in seen.actions:
            by_verb.setdefault(action.split()[0], []).append(action)
        verbs = sorted(by_verb)
        verb = rng.choices(verbs, [_WANDER_WEIGHTS.get(v, 1.0) for v in verbs])[0]
        seen = yield Act(rng.choice(by_verb[verb]))
    return True


def _visit(receptacle: str, open_it: bool = True) -> Generator[Act, Seen, Seen]:
    """Go to a receptacle and see what is in it."""
    seen = yield Act(f"go to {receptacle}")
    if not seen.valid:  # the agent is already there
        seen = yield Act(f"examine {receptacle}")
    if open_it and f"The {receptacle} is closed." in seen.observation:
        seen = yield Act(f"open {receptacle}")
    return seen


def is_lamp(name: str) -> bool:
    """Whether the name, such as "desklamp 1", is that of a lamp."""
    return type_of(name).endswith("lamp")
