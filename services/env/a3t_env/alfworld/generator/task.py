"""Draws a task for a room: a task type, an object, and a target or a lamp."""

from __future__ import annotations

import random
from dataclasses import dataclass

from .package import Package
from .scene import Scene

__all__ = ["DrawnTask", "draw_task"]

_ABILITY = {
    "pick_clean_then_place_in_recep": ("Cleanable", "SinkBasin"),
    "pick_heat_then_place_in_recep": ("Heatable", "Microwave"),
    "pick_cool_then_place_in_recep": ("Coolable", "Fridge"),
}
_LAMP_TASK = "look_at_obj_in_light"
_LAMP = "DeskLamp"


@dataclass(frozen=True, slots=True)
class DrawnTask:
    """A task of a type about an object type, with a target type or a lamp type."""

    type: str
    object: str
    target: str = ""
    lamp: str = ""

    @property
    def count(self) -> int:
        """Number of objects that the task asks for."""
        return 2 if self.type == "pick_two_obj_and_place" else 1

    @property
    def appliance(self) -> str:
        """Kind of the receptacle that cleans, heats or cools; empty if the task asks for none of these."""
        return _ABILITY[self.type][1] if self.type in _ABILITY else ""


def draw_task(task_type: str, scene: Scene, package: Package, rng: random.Random) -> DrawnTask | None:
    """Draw a task of a type; None if the room allows no such task."""
    receptacle_types = {r.type for r in scene.receptacles}
    lamps = package.abilities["Toggleable"]
    carried = [object_type for object_type in scene.objects if object_type not in lamps]
    if task_type == _LAMP_TASK:
        small = [k for k in carried if _homes(k, receptacle_types, package)]
        if _LAMP not in scene.objects or not small:
            return None
        return DrawnTask(task_type, rng.choice(small), lamp=_LAMP)
    ability, appliance = _ABILITY.get(task_type, ("", ""))
    if appliance and appliance not in receptacle_types:
        return None
    pairs = [
        (object_type, target)
        for object_type in carried
        if not ability or object_type in package.abilities[ability]
        for target in sorted(_homes(object_type, receptacle_types, package))
        if target != appliance and len(_homes(object_type, receptacle_types, package)) > 1
    ]
    return DrawnTask(task_type, *rng.choice(pairs)) if pairs else None


def _homes(object_type: str, receptacles: set[str], package: Package) -> set[str]:
    """Types of receptacles in the room that an object type may be put in."""
    return {r for r in receptacles if object_type in package.accepts.get(r, ())}
