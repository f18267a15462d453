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
"""How often a room has one, two or three objects of a kind, counted over the official training games."""
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
    kind: str
    receptacle: Receptacle
    movable: bool = True


def place_things(task: DrawnTask, scene: Scene, package: Package, priors: Priors, rng: random.Random) -> list[Thing]:
    """Draw the objects of a game and their places. No object that the task asks for is at its target at the start."""
    things: list[Thing] = []
    for kind in scene.objects:
        if kind in package.abilities["Toggleable"]:
            things += _fixed(kind, _LAMP_PLACES, scene, rng)
        else:
            things += _carried(kind, _instances(kind, task, rng), task, scene, package, priors, rng)
    for kind in scene.fixtures:
        things += _fixed(kind, _FIXTURE_PLACES[kind], scene, rng)
    return things


def _instances(kind: str, task: DrawnTask, rng: random.Random) -> int:
    count = rng.choices(_INSTANCES, _INSTANCE_WEIGHTS)[0]
    return max(count, task.count) if kind == task.object else count


def _carried(
    kind: str, count: int, task: DrawnTask, scene: Scene, package: Package, priors: Priors, rng: random.Random
) -> list[Thing]:
    shares = priors.of(kind.lower())
    barred = task.target if kind == task.object else None
    places = [r for r in scene.receptacles if kind in package.accepts.get(r.kind, ()) and r.kind != barred]
    if not places:
        return []
    weights = [shares.get(r.kind.lower(), 0.0) + _RARE for r in places]
    return [Thing(kind + position(rng), kind, r) for r in rng.choices(places, weights, k=count)]


def _fixed(kind: str, kinds: tuple[str, ...], scene: Scene, rng: random.Random) -> list[Thing]:
    places = [r for r in scene.receptacles if r.kind in kinds]
    return [Thing(kind + position(rng), kind, rng.choice(places), movable=False)] if places else []
