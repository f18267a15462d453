"""Errands: instructions that name objects, say where they are and what to do with them, in several wordings.

If an errand has two objects, it gives the place of the first; the second may have to be searched for.
"""

from __future__ import annotations

import random
import zlib
from dataclasses import dataclass

from .scripts import MOST_VISITS, Hunt, Stop, is_lamp, putting, taking, type_of
from .searching import Usual, search_order

__all__ = ["Errand", "draw_errand"]

_WEIGHTS = {"carry": 4, "treat": 12, "chain": 24, "use": 2, "light": 5, "two": 6, "hunt_lamp": 6, "hunt_other": 8}
_TREATMENTS = {"clean": 1.0, "cool": 1.2, "heat": 2.0}
"""Weights for drawing a treatment, because fewer objects in a room can be cooled, and few can be heated."""
_TREATED = {"clean": "clean", "heat": "hot", "cool": "cool"}
_APPLIANCE = {"clean": "sinkbasin", "heat": "microwave", "cool": "fridge"}
_CARRY = (
    "take {thing} from {source} to {place}",
    "take {thing} from {source} and put it in {place}",
    "take {thing} from {source} and put it on {place}",
    "put {thing} from {source} in {place}",
    "put {thing} from {source} on {place}",
)
_Things = list[tuple[str, str]]
"""(thing, place) pairs."""
_Drawn = tuple[str, list[Stop]] | tuple[str, list[Stop], Hunt] | None


@dataclass(frozen=True, slots=True)
class Errand:
    """The thing that the errand begins with, the task line, the stops with their actions, and what to search for
    afterwards."""

    thing: str
    task: str
    stops: list[Stop]
    hunt: Hunt | None = None


def draw_errand(contents: dict[str, list[str]], usual: Usual, rng: random.Random) -> Errand | None:
    """Draw an errand for a room (receptacle → objects); None if the draw does not fit the room. `usual` says in
    which types of places objects of a type usually are.
    """
    things = [(item, receptacle) for receptacle, items in contents.items() for item in items]
    if not things:
        return None
    lamps = [(item, place) for item, place in things if is_lamp(item)]
    kind = rng.choices(tuple(_WEIGHTS), tuple(_WEIGHTS.values()))[0]
    thing, source = rng.choice(lamps if kind == "use" and lamps else things)
    drawn = _KINDS[kind](_Room(contents, usual, rng), thing, source, lamps)
    return Errand(thing, *drawn) if drawn else None


@dataclass(frozen=True, slots=True)
class _Room:
    """The contents of a room, from which errands are drawn."""

    contents: dict[str, list[str]]
    usual: Usual
    rng: random.Random

    def target(self, thing: str, *but: str) -> str | None:
        """A place where things of this type usually are."""
        shares = self.usual.of(type_of(thing))
        return self.one([r for r in self.contents if type_of(r) in shares and r not in but])

    def appliance(self) -> tuple[str, str] | None:
        """A treatment, and the appliance for it."""
        how = self.rng.choices(tuple(_TREATMENTS), tuple(_TREATMENTS.values()))[0]
        tool = self.one([r for r in self.contents if type_of(r) == _APPLIANCE[how]])
        return (how, tool) if tool else None

    def alike(self, thing: str) -> dict[str, list[str]]:
        """Receptacle → things of the same type in it, for receptacles that have any."""
        found = {r: [i for i in items if type_of(i) == type_of(thing)] for r, items in self.contents.items()}
        return {r: items for r, items in found.items() if items}

    def patience(self) -> int:
        """Number of places after which the search for the second object is given up."""
        return MOST_VISITS if self.rng.random() < 0.25 else 12

    def search(self, wanted: str, after: str) -> list[str]:
        """Places in the order of a search that begins at `after`."""
        return search_order(list(self.contents), self.rng, self.usual.of(wanted), after)

    def one(self, places: list[str]) -> str | None:
        return self.rng.choice(places) if places else None

    def named(self, place: str) -> str:
        """The place, or with probability one half only its type."""
        return place if self.rng.random() < 0.5 else type_of(place)


def _use(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    return (f"use {thing} at {source}", [(source, [f"use {thing}"])]) if lamps else None


def _carry(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    place = room.target(thing, source)
    if place is None:
        return None
    return _carry_task(thing, source, room.named(place)), [taking(thing, source), putting(thing, place)]


def _treat(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    appliance = room.appliance()
    if appliance is None:
        return None
    how, tool = appliance
    stops = [taking(thing, source), (tool, [f"{how} {thing} with {tool}"])]
    tasks = (
        f"{how} {thing} from {source} with {room.named(tool)}",
        f"{how} {thing} from {source}",
        f"make {thing} from {source} {_TREATED[how]}",
    )
    return room.rng.choice(tasks), stops


def _chain(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    appliance = room.appliance()
    if appliance is None:
        return None
    how, tool = appliance
    place = room.target(thing, tool)
    if place is None:
        return None
    stops = [taking(thing, source), (tool, [f"{how} {thing} with {tool}"]), putting(thing, place)]
    with_, at, preposition = room.named(tool), room.named(place), room.rng.choice(("in", "on"))
    if room.rng.random() < 0.5:
        return f"{how} {thing} from {source} with {with_} and put it {preposition} {at}", stops
    return f"put a {_TREATED[how]} {thing} from {source} {preposition} {at} with {with_}", stops


def _light(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    if not lamps or is_lamp(thing):
        return None
    lamp, place = room.rng.choice(lamps)
    stops = [taking(thing, source), (place, [f"use {lamp}"])]
    if room.rng.random() < 0.5:
        return f"look at {thing} from {source} under {lamp} at {place}", stops
    return f"take {thing} from {source} and use {lamp} at {place}", stops


def _two(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    """An errand with two things of a type. The first source has one of them and the target none, so that the
    instruction is complete."""
    alike = room.alike(thing)
    other_at = room.one([r for r in alike if r != source])
    place = room.target(thing, *alike)
    if (
        other_at is None
        or place is None
        or len(alike[source]) != 1
        or type_of(place) in (type_of(source), type_of(other_at))
    ):
        return None
    other = alike[other_at][-1]
    if other == thing:
        return None
    stops = [taking(thing, source), putting(thing, place), taking(other, other_at), putting(other, place)]
    verb, preposition = room.rng.choice((("take", "to"), ("put", "in"), ("put", "on")))
    return f"{verb} two {thing} from {source} and {other} from {other_at} {preposition} {room.named(place)}", stops


def _hunt_lamp(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    types = sorted(
        {type_of(lamp) for lamp, place in lamps} - {type_of(lamp) for lamp, place in lamps if place == source}
    )
    if not types or is_lamp(thing):
        return None
    wanted = room.rng.choice(types)
    order = [r for r in room.search(wanted, source) if r != source]
    hunt = Hunt(wanted, order[: room.patience()], [source], lambda lamp, place: [(place, [f"use {lamp}"])])
    tasks = (
        f"look at {thing} from {source} under a {wanted}",
        f"look at {thing} from {source} under the {wanted}",
        f"examine the {thing} from {source} with the {wanted}",
        f"take {thing} from {source} and use a {wanted}",
    )
    return room.rng.choice(tasks), [taking(thing, source)], hunt


def _hunt_other(room: _Room, thing: str, source: str, lamps: _Things) -> _Drawn:
    """An errand with two things of a type, only one of which is named; the second may have been seen with the first."""
    alike = room.alike(thing)
    place = room.target(thing, *alike)
    if sum(map(len, alike.values())) < 2 or place is None or type_of(place) in {type_of(r) for r in alike}:
        return None
    order = [r for r in room.search(type_of(thing), place) if r not in (source, place)]
    if len(alike[source]) > 1:
        order = [source]
    hunt = Hunt(
        type_of(thing),
        order[: room.patience()],
        [source, place] if len(alike[source]) == 1 else [place],
        lambda other, at: [taking(other, at), putting(other, place)],
    )
    verb, preposition = room.rng.choice((("take", "to"), ("put", "in"), ("put", "on")))
    task = f"{verb} two {type_of(thing)} {preposition} {room.named(place)}, {thing} from {source}"
    return task, [taking(thing, source), putting(thing, place)], hunt


def _carry_task(thing: str, source: str, place: str) -> str:
    """The task line of a carrying errand: one of several wordings, always the same one for the same names."""
    wording = _CARRY[zlib.crc32(f"{thing} {source} {place}".encode()) % len(_CARRY)]
    return wording.format(thing=thing, source=source, place=place)


_KINDS = {
    "use": _use,
    "carry": _carry,
    "treat": _treat,
    "chain": _chain,
    "light": _light,
    "two": _two,
    "hunt_lamp": _hunt_lamp,
    "hunt_other": _hunt_other,
}
