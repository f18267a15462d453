"""Checks whether a staged game may be added to the index."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import orjson

from a3t_contracts.errors import InvalidInputError

from ..game_file import read_game_file
from ..task_types import TASK_TYPES
from .index import GameEntry

__all__ = ["Excluded", "check_game"]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A game that ALFWorld itself leaves out, and why."""

    reason: str


def check_game(folder: Path, root: Path) -> GameEntry | Excluded:
    """Check a game folder `…/<split>/<task>/<trial>`.

    As alfworld does, it leaves out games without a game file, of other task types, with sliced objects or movable
    receptacles, and games that are not marked as solvable. Raises InvalidInputError for a broken game.
    """
    split, task, trial = folder.parts[-3:]
    id_ = f"{split}/{task}/{trial}"
    path = folder / "game.tw-pddl"
    if not path.exists():
        return Excluded("no game file")
    if "movable" in id_ or "Sliced" in id_:
        return Excluded("sliced object or movable receptacle")
    try:
        task_type = _type(folder, task)
        file = read_game_file(path.read_bytes())
        if task_type not in TASK_TYPES:
            return Excluded("other task type")
        if not file.solvable:
            return Excluded("unsolvable")
        game = file.parse()
    except InvalidInputError as error:
        raise InvalidInputError(f"The game {id_} is broken. {error}") from error
    return GameEntry(
        id=id_,
        split=split,
        type=task_type,
        path=path.relative_to(root).as_posix(),
        sha256=file.sha256,
        verb_form=game.wording.verb_form,
        instruction=game.task.removeprefix("Your task is to: "),
    )


def _type(folder: Path, task: str) -> str:
    """The task type from traj_data.json; from the name of the folder if that is missing."""
    path = folder / "traj_data.json"
    if not path.exists():
        return task.split("-", 1)[0]
    try:
        content = orjson.loads(path.read_bytes())
    except orjson.JSONDecodeError as error:
        raise InvalidInputError(f"Its traj_data.json is not JSON: {str(error)[:120]}.") from error
    if not isinstance(content, dict) or not isinstance(content.get("task_type"), str):
        raise InvalidInputError("Its traj_data.json names no task_type.")
    return str(content["task_type"])
