"""Tasks of WebShop: goals by name, and the splits of the original and of the A³T paper."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import overload

import numpy as np

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import Task

from .game.shop import Shop
from .goals.draw import GoalKind

__all__ = ["TaskList", "parse_task_id", "ranges_of", "split_of", "task_of"]

_RANGES: dict[str, tuple[int, int | None]] = {
    "test": (0, 500),
    "eval": (500, 1500),
    "train": (1500, None),
    "paper_test": (0, 500),
    "paper_valid": (500, 900),
    "paper_train": (1500, 3800),
}
"""Split → number of its first goal, and the number after its last. The splits test, eval and train are those of the
original. The paper only gives the sizes of its splits (2,300/400/500), so its validation and training tasks are
taken from the original's eval and train.
"""

_ID = re.compile(r"(goal|human)-([0-9]{5}|[1-9][0-9]{5,8})")
_PREFIX: dict[GoalKind, str] = {"synthetic": "", "human": "human_"}
_NAME: dict[GoalKind, str] = {"synthetic": "goal", "human": "human"}


def ranges_of(shop: Shop) -> dict[str, tuple[GoalKind, range]]:
    """Split → kind and numbers of its goals, for the splits that have goals."""
    kinds: tuple[GoalKind, ...] = ("synthetic", "human")
    found = {}
    for kind in kinds:
        count = len(shop.goals(kind))
        for name, (start, stop) in _RANGES.items():
            numbers = range(min(start, count), count if stop is None else min(stop, count))
            if numbers:
                found[_PREFIX[kind] + name] = (kind, numbers)
    return found


def parse_task_id(task_id: str) -> tuple[GoalKind, int]:
    """Kind and number of the goal that a task id names. Raises NotFoundError."""
    match = _ID.fullmatch(task_id)
    if not match:
        raise NotFoundError(
            f"There is no WebShop task {task_id[:80]!r}.", hint="Task ids look like goal-00017 or human-00003."
        )
    return ("synthetic" if match[1] == "goal" else "human"), int(match[2])


def split_of(kind: GoalKind, number: int) -> str:
    """The original's split that a goal is in."""
    base = "test" if number < 500 else "eval" if number < 1500 else "train"
    return _PREFIX[kind] + base


def task_of(shop: Shop, kind: GoalKind, number: int, split: str | None = None) -> Task:
    """Describe a goal as a task, which does not reveal the wanted product. Raises NotFoundError."""
    goal = shop.goals(kind).goal(number)
    return Task(
        id=f"{_NAME[kind]}-{number:05d}",
        environment="webshop",
        split=split or split_of(kind, number),
        type=goal.category,
        instruction=goal.instruction,
        metadata={"catalogue": shop.catalogue.folder.name, "goals": kind},
    )


class TaskList(Sequence[Task]):
    """A sequence of tasks that are made when they are read: a large catalogue has millions."""

    def __init__(self, shop: Shop, kind: GoalKind, numbers: Sequence[int], split: str | None) -> None:
        self._shop, self._kind, self._numbers, self._split = shop, kind, numbers, split

    def __len__(self) -> int:
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> Task: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[Task]: ...

    def __getitem__(self, index: int | slice) -> Task | Sequence[Task]:
        if isinstance(index, slice):
            return TaskList(self._shop, self._kind, self._numbers[index], self._split)
        return task_of(self._shop, self._kind, int(self._numbers[index]), self._split)

    def of_type(self, category: str) -> TaskList:
        """The tasks whose product is of a category."""
        catalogue = self._shop.catalogue
        if category not in catalogue.categories:
            return TaskList(self._shop, self._kind, (), self._split)
        numbers = np.asarray(self._numbers, np.int64)
        products = self._shop.goals(self._kind).products()[numbers]
        keep = catalogue.category_codes[products] == catalogue.categories.index(category)
        return TaskList(self._shop, self._kind, numbers[keep].tolist(), self._split)
