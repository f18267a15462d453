"""Tasks by number, for protocols that know them by nothing else."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import Path

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import SessionCreate

from ..environments import Environments

__all__ = ["Place", "start_of"]

Place = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(:[A-Za-z0-9][A-Za-z0-9._-]{0,127})?$",
        description="The environment, all of whose tasks have numbers from 0; or `ENVIRONMENT:SPLIT`, for those of a "
        "split",
        examples=["NAME", "NAME:train"],
    ),
]


async def start_of(environments: Environments, place: str, number: int, seed: int = 0) -> SessionCreate:
    """The request for an episode of the task with this number: its place in `GET /v1/tasks`.

    Raises NotFoundError for an unknown environment or split, and for a number that is none of a task.
    """
    name, _, split = place.partition(":")
    task_id = await asyncio.to_thread(_task_id, environments, name, split or None, number)
    return SessionCreate(environment=name, task_id=task_id, seed=seed)


def _task_id(environments: Environments, name: str, split: str | None, number: int) -> str:
    environment = environments.get(name)
    if split is not None and split not in (known := environment.info().splits):
        raise NotFoundError(f"{name} has no split {split[:80]!r}.", hint=f"Splits: {', '.join(known)}.")
    tasks = environment.tasks(split)
    if not 0 <= number < len(tasks):
        where = name if split is None else f"the split {split} of {name}"
        raise NotFoundError(f"There is no task {number} in {where}.", hint=f"It has {len(tasks)} tasks, from 0.")
    return tasks[number].id
