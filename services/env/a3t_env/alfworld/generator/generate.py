"""Makes games: draws a room, a task and the places of objects, and checks that the game can be solved."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from a3t_contracts.errors import InvalidInputError

from ..expert import load_priors
from ..game_file import read_game_file
from ..native.grammar import VerbForm
from ..task_types import TASK_TYPES
from .package import Package, load_package
from .placement import place_things
from .problem import Room, write_problem
from .scene import Scene, load_scene, location_id
from .task import DrawnTask, draw_task
from .walkthrough import solve

__all__ = ["HELDOUT_SPLIT", "TRAIN_SPLIT", "GeneratedGame", "generate_games"]

TRAIN_SPLIT, HELDOUT_SPLIT = "generated_train", "generated_heldout"
Split = Literal["generated_train", "generated_heldout"]

_ATTEMPTS = 200
_PUT_WORDING = (
    ("You arrive at {r.name}. ", "You arrive at {lend.name}. "),
    ("You move the {o.name} to the {r.name}.", "You put the {o.name} in/on the {r.name}."),
    ('"move {o} to {r}"', '"put {o} in/on {r}"'),
)


@dataclass(frozen=True, slots=True)
class GeneratedGame:
    """A game in the official layout: `<split>/<task>/<trial>/{game.tw-pddl, traj_data.json}`."""

    split: str
    task: str
    trial: str
    game: bytes
    trajectory: bytes

    @property
    def id(self) -> str:
        """Task id, as the official trial path."""
        return f"{self.split}/{self.task}/{self.trial}"


def generate_games(split: str, count: int, seed: int, verb_form: VerbForm = "move") -> Iterator[GeneratedGame]:
    """Yield games of all six task types in turn. The same split, seed and position give the same game.

    `generated_train` uses the floor plans that ALFRED trains on, `generated_heldout` its held-out floor plans.
    Raises UnavailableError without the alfworld package, InvalidInputError for another split.
    """
    if split not in (TRAIN_SPLIT, HELDOUT_SPLIT):
        raise InvalidInputError(f"Games cannot be generated for {split!r}.", hint=f"{TRAIN_SPLIT}, {HELDOUT_SPLIT}")
    package = load_package()
    scenes = package.scenes(held_out=split == HELDOUT_SPLIT)
    for index in range(count):
        task_type = TASK_TYPES[index % len(TASK_TYPES)]
        rng = random.Random(f"{split} {seed} {index}")
        rooms = [number for number in scenes if number in package.rooms(task_type)]
        yield _game(split, task_type, f"trial_G{seed:04d}_{index:06d}", rooms, verb_form, rng)


def _game(
    split: str, task_type: str, trial: str, rooms: list[int], verb_form: VerbForm, rng: random.Random
) -> GeneratedGame:
    package = load_package()
    for _ in range(_ATTEMPTS):
        scene = load_scene(rng.choice(rooms))
        task = draw_task(task_type, scene, package, rng)
        made = task and _fill(trial, scene, task, verb_form, package, rng)
        if task and made:
            name = f"{task.type}-{task.object}-None-{task.target or task.lamp}-{scene.number}"
            return GeneratedGame(split, name, trial, made, _trajectory(trial, task, scene))
    raise InvalidInputError(f"No solvable {task_type} game was found in {_ATTEMPTS} attempts.")


def _fill(
    trial: str, scene: Scene, task: DrawnTask, verb_form: VerbForm, package: Package, rng: random.Random
) -> bytes | None:
    """Return the game file of a filled room, or None if the game cannot be solved."""
    things = tuple(place_things(task, scene, package, load_priors(), rng))
    room = Room(trial, scene, things, _start(scene, rng), task)
    content = {
        "pddl_domain": package.domain,
        "grammar": _grammar(task, verb_form, package, rng),
        "pddl_problem": write_problem(room, package),
        "solvable": True,
    }
    walkthrough = solve(read_game_file(json.dumps(content).encode()).parse(), task)
    if walkthrough is None:
        return None
    return json.dumps(content | {"walkthrough": walkthrough}).encode()


def _start(scene: Scene, rng: random.Random) -> str:
    """A place on the floor from which nothing can be reached, as in the official games."""
    taken = {r.location for r in scene.receptacles}
    while True:
        x, z = rng.choice(scene.floor)
        place = location_id((x, z, rng.randrange(4) * 90.0, 30.0))
        if place not in taken:
            return place


def _grammar(task: DrawnTask, verb_form: VerbForm, package: Package, rng: random.Random) -> str:
    sentence = rng.choice(package.templates(task.type)).format(
        obj=task.object.lower(), recep=task.target.lower(), toggle=task.lamp.lower()
    )
    grammar = package.grammar.replace("UNKNOWN GOAL", sentence)
    if verb_form == "put":
        for new, old in _PUT_WORDING:
            grammar = grammar.replace(new, old)
    return grammar


def _trajectory(trial: str, task: DrawnTask, scene: Scene) -> bytes:
    """The part of ALFRED's traj_data.json that ALFWorld reads."""
    content = {
        "task_type": task.type,
        "task_id": trial,
        "pddl_params": {
            "object_target": task.object,
            "parent_target": task.target,
            "toggle_target": task.lamp,
            "mrecep_target": "",
            "object_sliced": False,
        },
        "scene": {"floor_plan": f"FloorPlan{scene.number}", "scene_num": scene.number},
    }
    return json.dumps(content).encode()
