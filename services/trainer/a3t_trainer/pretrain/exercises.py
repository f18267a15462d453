"""Exercises: scripts that play games of the household for practice. None of them solves a game's own task.

find      "find a mug": go through receptacles until one is seen, take it.
errand    instructions that name things and places: "take mug 2 from shelf 1 to desk 3" (in several wordings),
          "clean mug 2 from shelf 1 with sinkbasin 1", "use desklamp 1 at desk 2"; half of them name only what kind of
          place ("to desk").
wander    "look around": actions drawn at random.

Some find and errand scripts make slips, such as taking what is not there, so that the way on after "Nothing happens."
is practised, too. A slip is never trained on (see `sequences`).
"""

from __future__ import annotations

import random
import re
import zlib
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field

__all__ = [
    "Act",
    "Exercise",
    "Rooms",
    "Script",
    "Seen",
    "carry_task",
    "draw_exercise",
    "items_of",
    "receptacles_of",
    "scout",
]

_ITEM = re.compile(r"\ban? ([a-z]+ \d+)")
_SEE = re.compile(r"you see ([^.]*)\.")
_APPLIANCE = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
_MOST_VISITS = 24
_CARRY = (
    "take {thing} from {source} to {place}",
    "take {thing} from {source} and put it in {place}",
    "take {thing} from {source} and put it on {place}",
    "put {thing} from {source} in {place}",
    "put {thing} from {source} on {place}",
)
_WANDER_WEIGHTS = {
    "go": 6.0, "take": 6.0, "move": 4.0, "put": 4.0, "open": 8.0, "heat": 12.0, "cool": 12.0, "clean": 12.0,
    "use": 3.0, "slice": 3.0, "close": 0.5, "examine": 0.5, "look": 0.3, "inventory": 0.3, "help": 0.03,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What an action led to, and the actions that are admissible then."""

    observation: str
    valid: bool = True
    actions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Act:
    """What to do next. `slip` is the thought of a deliberate mistake; None for what is meant."""

    action: str
    slip: str | None = None


Script = Generator[Act, Seen, bool]
"""Yields actions, is sent what they led to, returns whether the exercise came out as meant."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """A task line and the script for it."""

    kind: str
    task: str
    script: Callable[[Seen], Script]


@dataclass(slots=True)
class Rooms:
    """What scouting found: per task id, receptacle → objects; and which types of things lie in which of places."""

    contents: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    usual: dict[str, set[str]] = field(default_factory=dict)

    def add(self, task_id: str, contents: dict[str, list[str]]) -> None:
        self.contents[task_id] = contents
        for receptacle, items in contents.items():
            for item in items:
                self.usual.setdefault(_type(item), set()).add(_type(receptacle))


def receptacles_of(observation: str) -> list[str]:
    """The receptacles that the first observation lists, in its order."""
    return _ITEM.findall(observation.partition("Your task is to:")[0])


def items_of(observation: str) -> list[str]:
    """What an observation says one sees."""
    return [item for listing in _SEE.findall(observation) for item in _ITEM.findall(listing)]


def scout(found: dict[str, list[str]]) -> Callable[[Seen], Script]:
    """A script that looks into every receptacle of a room and fills `found`."""

    def script(start: Seen) -> Script:
        for receptacle in receptacles_of(start.observation):
            found[receptacle] = items_of((yield from _visit(receptacle)).observation)
        return True

    return script


def draw_exercise(task_id: str, rooms: Rooms, rng: random.Random) -> Exercise | None:
    """An exercise in the room of a task; None where the draw does not fit the room."""
    kind = rng.choices(("find", "errand", "wander"), (0.3, 0.6, 0.1))[0]
    contents = rooms.contents[task_id]
    if kind == "wander":
        return Exercise("wander", "look around", lambda start: _wander(start, rng))
    slips = 0.12 if rng.random() < 0.45 else 0.0
    return _draw_find(contents, rng, slips) if kind == "find" else _draw_errand(contents, rooms.usual, rng, slips)


def _draw_find(contents: dict[str, list[str]], rng: random.Random, slips: float) -> Exercise | None:
    """Sought is something first seen at one of the first ten receptacles, so that exercises stay short."""
    order = _search_order(list(contents), rng)
    first_seen: dict[str, int] = {}
    for index, receptacle in enumerate(order[:10]):
        for item in contents[receptacle]:
            first_seen.setdefault(_type(item), index)
    if not first_seen:
        return None
    wanted = rng.choice(sorted(first_seen))
    return Exercise("find", f"find a {wanted}", lambda _: _find(wanted, order, _Slips(order, wanted, slips, rng)))


def _search_order(receptacles: list[str], rng: random.Random) -> list[str]:
    """Mostly one that can be foreseen: as the room lists them from somewhere on, or kind of place by kind of place."""
    luck = rng.random()
    if luck < 0.4:
        start = rng.randrange(len(receptacles))
        return receptacles[start:] + receptacles[:start]
    if luck < 0.85:
        kinds = rng.sample(sorted({_type(r) for r in receptacles}), len({_type(r) for r in receptacles}))
        return sorted(receptacles, key=lambda r: kinds.index(_type(r)))
    return rng.sample(receptacles, len(receptacles))


def _draw_errand(
    contents: dict[str, list[str]], usual: dict[str, set[str]], rng: random.Random, slips: float
) -> Exercise | None:
    things = [(item, receptacle) for receptacle, items in contents.items() for item in items]
    if not things:
        return None
    kind = rng.choices(("carry", "treat", "use"), (4, 12, 3))[0]
    lamps = [(item, place) for item, place in things if _type(item).endswith("lamp")]
    thing, source = rng.choice(lamps if kind == "use" and lamps else things)
    slipping = _Slips(list(contents), _type(thing), slips, rng)
    if kind == "use":
        task = f"use {thing} at {source}"
        return Exercise("errand", task, lambda _: _errand(source, [f"use {thing}"], None, slipping)) if lamps else None
    how, places = "", [r for r in contents if _type(r) in usual.get(_type(thing), ()) and r != source]
    if kind == "treat":
        how = rng.choice(sorted(_APPLIANCE))
        places = [r for r in contents if _type(r) == _APPLIANCE[how]]
    if not places:
        return None
    place = rng.choice(places)
    named = place if rng.random() < 0.5 else _type(place)
    task = f"{how} {thing} from {source} with {named}" if how else carry_task(thing, source, named)
    last = [f"{how} {thing} with {place}"] if how else [f"move {thing} to {place}", f"put {thing} in/on {place}"]
    return Exercise("errand", task, lambda _: _errand(source, [f"take {thing} from {source}"], (place, last), slipping))


def carry_task(thing: str, source: str, place: str) -> str:
    """The line of a carrying errand: one of several wordings, always the same for the same names."""
    wording = _CARRY[zlib.crc32(f"{thing} {source} {place}".encode()) % len(_CARRY)]
    return wording.format(thing=thing, source=source, place=place)


class _Slips:
    """Now and then a mistake, with the thought that goes with it."""

    def __init__(self, receptacles: list[str], wanted: str, rate: float, rng: random.Random) -> None:
        self._receptacles, self._wanted, self._rate, self._rng = receptacles, wanted, rate, rng

    def maybe(self, at: str | None, seen: Sequence[str] = (), share: float = 1.0) -> Generator[Act, Seen, None]:
        if self._rng.random() < self._rate * share:
            act = self._draw(at or self._rng.choice(self._receptacles), seen)
            if act is not None:
                yield act

    def _draw(self, at: str, seen: Sequence[str]) -> Act | None:
        luck = self._rng.random()
        if luck < 0.7:
            thing = f"{self._wanted} {self._rng.randint(1, 4)}"
            thought = f"I look for {thing}. It is here. I take it."
            return None if thing in seen else Act(f"take {thing} from {at}", thought)
        place = f"{_type(self._rng.choice(self._receptacles))} {self._rng.randint(10, 40)}"
        thought = f"I look for {self._wanted}. Next I check {place}."
        return None if place in self._receptacles else Act(f"go to {place}", thought)


def _find(wanted: str, order: list[str], slips: _Slips) -> Script:
    for receptacle in order[:_MOST_VISITS]:
        yield from slips.maybe(None)
        seen = items_of((yield from _visit(receptacle)).observation)
        yield from slips.maybe(receptacle, seen, 0.5)
        matching = [item for item in seen if _type(item) == wanted]
        if matching:
            return (yield Act(f"take {matching[-1]} from {receptacle}")).valid
    return False


def _errand(source: str, first: list[str], then: tuple[str, list[str]] | None, slips: _Slips) -> Script:
    """Go to the source, do the first command, go to the place, do the command there, in the wording of the game."""
    yield from slips.maybe(None)
    seen = yield from _visit(source)
    yield from slips.maybe(source, items_of(seen.observation), 0.5)
    for place, commands in ((source, first), then or ("", [])):
        if place not in ("", source):
            seen = yield from _visit(place, open_it=commands[0].startswith("move"))
        command = next((c for c in commands if c in seen.actions), None)
        if place and command is None:
            return False
        if command:
            seen = yield Act(command)
    return True


def _wander(start: Seen, rng: random.Random) -> Script:
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
    """Be at a receptacle and see what is in it."""
    seen = yield Act(f"go to {receptacle}")
    if not seen.valid:  # it stands where the agent is already
        seen = yield Act(f"examine {receptacle}")
    if open_it and f"The {receptacle} is closed." in seen.observation:
        seen = yield Act(f"open {receptacle}")
    return seen


def _type(name: str) -> str:
    return name.rsplit(" ", 1)[0]
