"""Places objects in a room where they usually are."""

from __future__ import annotations

import random
from dataclasses import dataclass

from ..expert import Priors
from .package import Package
from .scene import Receptacle, Scene, position
from .task import DrawnTask

__all__ = ["Thing", "place_things"]

_INSTANCES = (1, 2, 3)
_INSTANCE_WEIGHTS = (42, 32, 26)
"""How often a room has one, two or three objects of a type, counted over the official training games."""
_RARE = 0.002
"""Weight of a place that is allowed but unusual."""
_LAMP_PLACES = ("Desk", "SideTable", "Dresser", "Shelf", "CoffeeTable", "DiningTable")
_FIXTURE_PLACES = {
    "HousePlant": ("CounterTop", "SideTable", "DiningTable", "Shelf", "CoffeeTable", "Desk", "Dresser"),
    "Television": ("TVStand", "Dresser", "SideTable"),
}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object and the receptacle that holds it."""

    id: str
    type: str
    receptacle: Receptacle
    movable: bool = True


def place_things(task: DrawnTask, scene: Scene, package: Package, priors: Priors, rng: random.Random) -> list[Thing]:
    """Draw the objects of a game and their places. No object that the task asks for is at its target at the start."""
    things: list[Thing] = []
    for object_type in scene.objects:
        if object_type in package.abilities["Toggleable"]:
            things += _fixed(object_type, _LAMP_PLACES, scene, rng)
        else:
            things += _carried(object_type, _instances(object_type, task, rng), task, scene, package, priors, rng)
    for object_type in scene.fixtures:
        things += _fixed(object_type, _FIXTURE_PLACES[object_type], scene, rng)
    return things


def _instances(object_type: str, task: DrawnTask, rng: random.Random) -> int:
    count = rng.choices(_INSTANCES, _INSTANCE_WEIGHTS)[0]
    return max(count, task.count) if object_type == task.object else count


def _carried(
    object_type: str, count: int, task: DrawnTask, scene: Scene, package: Package, priors: Priors, rng: random.Random
) -> list[Thing]:
    shares = priors.of(object_type.lower())
    barred = task.target if object_type == task.object else None
    places = [r for r in scene.receptacles if object_type in package.accepts.get(r.type, ()) and r.type != barred]
    if not places:
        return []
    weights = [shares.get(r.type.lower(), 0.0) + _RARE for r in places]
    return [Thing(object_type + position(rng), object_type, r) for r in rng.choices(places, weights, k=count)]


def _fixed(object_type: str, receptacle_types: tuple[str, ...], scene: Scene, rng: random.Random) -> list[Thing]:
    places = [r for r in scene.receptacles if r.type in receptacle_types]
    return [Thing(object_type + position(rng), object_type, rng.choice(places), movable=False)] if places else []
