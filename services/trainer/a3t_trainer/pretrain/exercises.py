"""Exercises: scripts that play games of the household for practice. None of them solves a game's own task.

find      "find a mug": go through receptacles until one is seen, take it (a lamp: use it).
errand    instructions that say which thing to fetch from where, and each thing to do with it, in several wordings:
          "take mug 2 from shelf 1 to desk 3", "clean mug 2 from shelf 1 with sinkbasin 1 and put it in desk",
          "look at mug 2 from shelf 1 under desklamp 1 at desk 2", "take two mug 2 from shelf 1 and mug 1 from desk 2
          to sofa". Half of the places are named by their kind only ("to desk").
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
_ERRAND_WEIGHTS = {"carry": 4, "treat": 5, "chain": 10, "use": 2, "light": 8, "two": 8}
_TREATED = {"clean": "clean", "heat": "hot", "cool": "cool"}
_Things = list[tuple[str, str]]
"""(thing, place) pairs."""
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
    lamps = [(item, place) for item, place in things if _is_lamp(item)]
    kind = rng.choices(tuple(_ERRAND_WEIGHTS), tuple(_ERRAND_WEIGHTS.values()))[0]
    thing, source = rng.choice(lamps if kind == "use" and lamps else things)
    room = _Room(contents, usual, rng)
    drawn = {"use": _use, "carry": _carry, "treat": _treat, "chain": _chain, "light": _light, "two": _two}[kind](
        room, thing, source, lamps
    )
    if drawn is None:
        return None
    task, stops = drawn
    slipping = _Slips(list(contents), _type(thing), slips, rng)
    return Exercise("errand", task, lambda _: _errand(stops, slipping))


@dataclass(frozen=True, slots=True)
class _Room:
    """What errands are drawn from."""

    contents: dict[str, list[str]]
    usual: dict[str, set[str]]
    rng: random.Random

    def target(self, thing: str, *but: str) -> str | None:
        """A place where such things usually lie."""
        kinds = self.usual.get(_type(thing), ())
        return self.one([r for r in self.contents if _type(r) in kinds and r not in but])

    def appliance(self) -> tuple[str, str] | None:
        """A treatment, and the appliance for it."""
        how = self.rng.choice(sorted(_APPLIANCE))
        tool = self.one([r for r in self.contents if _type(r) == _APPLIANCE[how]])
        return (how, tool) if tool else None

    def one(self, places: list[str]) -> str | None:
        return self.rng.choice(places) if places else None

    def named(self, place: str) -> str:
        """The place, or half of the time only what kind of place it is."""
        return place if self.rng.random() < 0.5 else _type(place)


_Stop = tuple[str, list[str]]
"""A place, and what to do there in the wordings of the games' releases."""
_Drawn = tuple[str, list[_Stop]] | None


def _use(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    return (f"use {thing} at {source}", [(source, [f"use {thing}"])]) if lamps else None


def _carry(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    place = room.target(thing, source)
    if place is None:
        return None
    return carry_task(thing, source, room.named(place)), [_taking(thing, source), _putting(thing, place)]


def _treat(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    appliance = room.appliance()
    if appliance is None:
        return None
    how, tool = appliance
    stops = [_taking(thing, source), (tool, [f"{how} {thing} with {tool}"])]
    return f"{how} {thing} from {source} with {room.named(tool)}", stops


def _chain(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    appliance = room.appliance()
    if appliance is None:
        return None
    how, tool = appliance
    place = room.target(thing, tool)
    if place is None:
        return None
    stops = [_taking(thing, source), (tool, [f"{how} {thing} with {tool}"]), _putting(thing, place)]
    with_, at, preposition = room.named(tool), room.named(place), room.rng.choice(("in", "on"))
    if room.rng.random() < 0.5:
        return f"{how} {thing} from {source} with {with_} and put it {preposition} {at}", stops
    return f"put a {_TREATED[how]} {thing} from {source} {preposition} {at} with {with_}", stops


def _light(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    if not lamps or _is_lamp(thing):
        return None
    lamp, place = room.rng.choice(lamps)
    stops = [_taking(thing, source), (place, [f"use {lamp}"])]
    if room.rng.random() < 0.5:
        return f"look at {thing} from {source} under {lamp} at {place}", stops
    return f"take {thing} from {source} and use {lamp} at {place}", stops


def _two(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    """Two things of a kind, where the first source has one only and the target none, so that all is said."""
    alike = {r: [i for i in items if _type(i) == _type(thing)] for r, items in room.contents.items()}
    other_at = room.one([r for r, items in alike.items() if items and r != source])
    place = room.target(thing, *[r for r, items in alike.items() if items])
    if other_at is None or place is None or len(alike[source]) != 1 or _type(place) in (_type(source), _type(other_at)):
        return None
    other = alike[other_at][-1]
    if other == thing:
        return None
    stops = [_taking(thing, source), _putting(thing, place), _taking(other, other_at), _putting(other, place)]
    verb, preposition = room.rng.choice((("take", "to"), ("put", "in"), ("put", "on")))
    return f"{verb} two {thing} from {source} and {other} from {other_at} {preposition} {room.named(place)}", stops


def _taking(thing: str, source: str) -> _Stop:
    return source, [f"take {thing} from {source}"]


def _putting(thing: str, place: str) -> _Stop:
    return place, [f"move {thing} to {place}", f"put {thing} in/on {place}"]


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
            found = matching[-1]
            return (yield Act(f"use {found}" if _is_lamp(found) else f"take {found} from {receptacle}")).valid
    return False


def _errand(stops: list[_Stop], slips: _Slips) -> Script:
    """At each stop, do what is to be done there, in the wording of the game."""
    yield from slips.maybe(None)
    at = ""
    for number, (place, commands) in enumerate(stops):
        if place != at:
            seen, at = (yield from _visit(place, open_it=commands[0].startswith(("take", "move")))), place
        if number == 0:
            yield from slips.maybe(place, items_of(seen.observation), 0.5)
        command = next((c for c in commands if c in seen.actions), None)
        if command is None:
            return False
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


def _is_lamp(name: str) -> bool:
    return _type(name).endswith("lamp")


def _type(name: str) -> str:
    return name.rsplit(" ", 1)[0]
