"""Reads what the generator needs from the alfworld package: floor plans, object lists, abilities of objects,
templates.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from io import BytesIO
from typing import Any

import numpy as np

from a3t_contracts.errors import UnavailableError

__all__ = ["FloorPlanFiles", "Package", "load_package"]

Pose = tuple[float, float, float, float]
"""Pose in which the agent uses something: x and z in metres, rotation and horizon in degrees."""


@dataclass(frozen=True, slots=True)
class FloorPlanFiles:
    """The files of one floor plan."""

    number: int
    types: tuple[str, ...]
    """Types of objects and receptacles in the room."""
    poses: Mapping[str, Pose]
    """Receptacle id ("Cabinet|+00.68|+00.50|-02.20") → pose."""
    floor: tuple[tuple[float, float], ...]
    """Points that the agent can reach, x and z in metres."""


class Package:
    """Typed view of the installed alfworld package."""

    def __init__(self) -> None:
        try:
            self._constants: Any = importlib.import_module("alfworld.gen.constants")
            self._goals: Any = importlib.import_module("alfworld.gen.goal_library")
            self._root: Traversable = files("alfworld")
        except ImportError as error:
            raise UnavailableError(
                "Games are generated from the floor plans of the alfworld package, which is not installed.",
                hint="Install a3t-env[official].",
            ) from error

    @cached_property
    def domain(self) -> str:
        """The PDDL domain."""
        return (self._root / "data" / "alfred.pddl").read_text()

    @cached_property
    def grammar(self) -> str:
        """The text grammar, with UNKNOWN GOAL in place of a task."""
        return (self._root / "data" / "alfred.twl2").read_text()

    @cached_property
    def accepts(self) -> dict[str, tuple[str, ...]]:
        """Receptacle type → object types that may be put there."""
        held: dict[str, set[str]] = self._constants.VAL_RECEPTACLE_OBJECTS
        return {receptacle: tuple(sorted(objects)) for receptacle, objects in sorted(held.items())}

    @cached_property
    def abilities(self) -> dict[str, frozenset[str]]:
        """Heatable, Coolable, Cleanable, Toggleable, Sliceable → object types."""
        return {name: frozenset(object_types) for name, object_types in self._constants.VAL_ACTION_OBJECTS.items()}

    @cached_property
    def containers(self) -> frozenset[str]:
        """Object types that can hold others (bowls, boxes)."""
        return frozenset(self._constants.MOVABLE_RECEPTACLES)

    @cached_property
    def openable(self) -> frozenset[str]:
        """Receptacle types that can be opened and closed."""
        return frozenset(self._constants.OPENABLE_CLASS_LIST) - self.containers

    def scenes(self, *, held_out: bool) -> tuple[int, ...]:
        """Numbers of ALFRED's floor plans for training, or of the held-out ones."""
        numbers = self._constants.TEST_SCENE_NUMBERS if held_out else self._constants.TRAIN_SCENE_NUMBERS
        return tuple(sorted(numbers))

    def rooms(self, task_type: str) -> frozenset[int]:
        """Numbers of the floor plans in which tasks of a type make sense."""
        room_types = self._constants.GOALS_VALID[task_type]
        return frozenset(number for room_type in room_types for number in self._constants.SCENE_TYPE[room_type])

    def templates(self, task_type: str) -> tuple[str, ...]:
        """Task sentences with {obj}, {recep}, {toggle}."""
        return tuple(self._goals.gdict[task_type]["templates"])

    def goal(self, task_type: str) -> str:
        """The PDDL goal with {obj}, {recep}, {toggle}, and the bracket that closes the problem."""
        return str(self._goals.gdict[task_type]["pddl"]).replace("#", "-")

    def floor_plan(self, number: int) -> FloorPlanFiles:
        """The files of a floor plan."""
        stem = self._root / "gen" / "layouts"
        poses = json.loads((stem / f"FloorPlan{number}-openable.json").read_text())
        types = json.loads((stem / f"FloorPlan{number}-objects.json").read_text())
        floor = np.load(BytesIO((stem / f"FloorPlan{number}-layout.npy").read_bytes()), allow_pickle=False)
        return FloorPlanFiles(
            number=number,
            types=tuple(sorted(types)),
            poses={name: tuple(pose) for name, pose in sorted(poses.items())},
            floor=tuple(sorted((float(x), float(z)) for x, z in floor)),
        )


@lru_cache(maxsize=1)
def load_package() -> Package:
    """Read the package, once for a process. Raises UnavailableError if it is not installed."""
    return Package()
