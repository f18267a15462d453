"""A room: its receptacles and where the agent stands to use them. All games on a floor plan share it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from .package import FloorPlanFiles, Package, Pose, load_package

__all__ = ["Receptacle", "Scene", "load_scene", "location_id", "position"]

_PARTS = {"Sink": "SinkBasin", "Bathtub": "BathtubBasin"}
"""Objects with a part that is a separate receptacle, which is the one that is used."""
_COUNTS = {"StoveBurner": 4}
_STEP = 0.25
_HORIZON = 45.0


@dataclass(frozen=True, slots=True)
class Receptacle:
    """A receptacle: AI2-THOR id, type, and the location from which it is used."""

    id: str
    type: str
    location: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A floor plan, ready to be filled."""

    number: int
    receptacles: tuple[Receptacle, ...]
    objects: tuple[str, ...]
    """Types of things that can be picked up or switched on in this room."""
    fixtures: tuple[str, ...]
    """Types of objects that can only be looked at: a house plant, a television."""
    floor: tuple[tuple[float, float], ...]


@lru_cache(maxsize=128)
def load_scene(number: int) -> Scene:
    """The room of a floor plan."""
    package = load_package()
    plan = package.floor_plan(number)
    movable = {object_type for accepted in package.accepts.values() for object_type in accepted} | package.abilities[
        "Toggleable"
    ]
    return Scene(
        number=number,
        receptacles=tuple(sorted(_receptacles(plan, package), key=lambda r: r.id)),
        objects=tuple(object_type for object_type in plan.types if object_type in movable),
        fixtures=tuple(object_type for object_type in plan.types if object_type in ("HousePlant", "Television")),
        floor=plan.floor,
    )


def position(rng: random.Random) -> str:
    """A random position as AI2-THOR writes it: "|-01.25|+00.90|+02.31"."""
    x, y, z = rng.uniform(-4, 4), rng.uniform(0.1, 1.8), rng.uniform(-4, 4)
    return "".join(f"|{value:+06.2f}" for value in (x, y, z))


def location_id(pose: Pose) -> str:
    """A place where the agent stands, as ALFRED writes it: grid cells, quarter turns, degrees."""
    x, z, rotation, horizon = pose
    return f"loc|{round(x / _STEP)}|{round(z / _STEP)}|{round(rotation / 90)}|{round(horizon)}"


def _receptacles(plan: FloorPlanFiles, package: Package) -> list[Receptacle]:
    known = set(package.accepts) - package.containers
    found = []
    for id_, pose in plan.poses.items():
        receptacle_type = id_.split("|", 1)[0]
        part = _PARTS.get(receptacle_type)
        if part or receptacle_type in known:
            found.append(Receptacle(f"{id_}|{part}" if part else id_, part or receptacle_type, location_id(pose)))
    have = {r.type for r in found}
    missing = [name for name in plan.types if name in known and name not in have]
    return found + _placed(plan, missing)


def _placed(plan: FloorPlanFiles, receptacle_types: list[str]) -> list[Receptacle]:
    """Receptacles that the room has without a place in the files. Their places are drawn by the number of the floor
    plan, so they are always the same.
    """
    rng = random.Random(f"floor plan {plan.number}")
    placed = []
    for receptacle_type in receptacle_types:
        x, z = rng.choice(plan.floor)
        rotation = rng.randrange(4) * 90.0
        for _ in range(_COUNTS.get(receptacle_type, 1)):
            horizon = rng.choice((_HORIZON, _HORIZON - 15))
            part = next((whole for whole, basin in _PARTS.items() if basin == receptacle_type), None)
            id_ = f"{part}{position(rng)}|{receptacle_type}" if part else f"{receptacle_type}{position(rng)}"
            placed.append(Receptacle(id_, receptacle_type, location_id((x, z, rotation, horizon))))
    return placed
