"""Writes a filled room as a PDDL problem, in the form of the official games."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from .package import Package
from .placement import Thing
from .scene import Scene
from .task import DrawnTask

__all__ = ["Room", "write_problem"]

_MANGLED = (("|", "_bar_"), ("-", "_minus_"), ("+", "_plus_"), (".", "_dot_"), (",", "_comma_"))


@dataclass(frozen=True, slots=True)
class Room:
    """All facts of a problem: receptacles, objects, locations and the goal."""

    name: str
    scene: Scene
    things: tuple[Thing, ...]
    start: str
    """Location of the agent."""
    task: DrawnTask


def mangle(id_: str) -> str:
    """Spell out the characters of an id that PDDL does not allow."""
    for character, word in _MANGLED:
        id_ = id_.replace(character, word)
    return id_


def write_problem(room: Room, package: Package) -> str:
    """The PDDL problem of a room."""
    goal = package.goal(room.task.type).format(obj=room.task.object, recep=room.task.target, toggle=room.task.lamp)
    objects = "\n        ".join(_objects(room))
    facts = "\n        ".join(f"({fact})" for fact in _facts(room, package))
    return f"""
(define (problem plan_{room.name})
(:domain alfred)
(:objects
        {objects}
        )

(:init
        {facts}
        )

{goal}"""


def _objects(room: Room) -> Iterator[str]:
    yield "agent1 - agent"
    for object_type in sorted({t.type for t in room.things}):
        yield f"{object_type}Type - otype"
    for receptacle_type in sorted({r.type for r in room.scene.receptacles}):
        yield f"{receptacle_type}Type - rtype"
    for thing in room.things:
        yield f"{mangle(thing.id)} - object"
    for receptacle in room.scene.receptacles:
        yield f"{mangle(receptacle.id)} - receptacle"
    for location in sorted({r.location for r in room.scene.receptacles} | {room.start}):
        yield f"{mangle(location)} - location"


def _facts(room: Room, package: Package) -> Iterator[str]:
    receptacles, things = room.scene.receptacles, room.things
    object_types = {t.type for t in things}
    yield from (f"receptacleType {mangle(r.id)} {r.type}Type" for r in receptacles)
    yield from (f"objectType {mangle(t.id)} {t.type}Type" for t in things)
    for receptacle_type in sorted({r.type for r in receptacles}):
        yield from (
            f"canContain {receptacle_type}Type {object_type}Type"
            for object_type in package.accepts[receptacle_type]
            if object_type in object_types
        )
    yield from (f"pickupable {mangle(t.id)}" for t in things if t.movable)
    yield from (f"isReceptacleObject {mangle(t.id)}" for t in things if t.type in package.containers)
    yield from (f"openable {mangle(r.id)}" for r in receptacles if r.type in package.openable)
    yield f"atLocation agent1 {mangle(room.start)}"
    for ability in ("Cleanable", "Heatable", "Coolable", "Toggleable", "Sliceable"):
        yield from _able(ability, things, package)
    yield from (f"inReceptacle {mangle(t.id)} {mangle(t.receptacle.id)}" for t in things)
    yield from (f"receptacleAtLocation {mangle(r.id)} {mangle(r.location)}" for r in receptacles)
    yield from (f"objectAtLocation {mangle(t.id)} {mangle(t.receptacle.location)}" for t in things)


def _able(ability: str, things: Iterable[Thing], package: Package) -> Iterator[str]:
    predicate = ability[0].lower() + ability[1:]
    yield from (f"{predicate} {mangle(t.id)}" for t in things if t.type in package.abilities[ability])
