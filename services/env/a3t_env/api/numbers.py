"""Tasks by number, for protocols that name tasks only by numbers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import Path

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import SessionCreate, Task

from ..environments import Environments

__all__ = ["Place", "start_of", "tasks_of"]

Place = Annotated[
    str,
    Path(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}(:[A-Za-z0-9][A-Za-z0-9._-]{0,127})?$",
        description="Name of the environment, whose tasks are numbered from 0; or `ENVIRONMENT:SPLIT`, where only the "
        "tasks of the split are numbered",
        examples=["NAME", "NAME:train"],
    ),
]


async def start_of(environments: Environments, place: str, number: int) -> SessionCreate:
    """Return the request for an episode of the task with this number, its position in `GET /v1/tasks`.

    Raises NotFoundError for an unknown environment or split, and for a number without a task.
    """
    tasks = await tasks_of(environments, place)
    if not 0 <= number < len(tasks):
        raise NotFoundError(
            f"There is no task {number} in {place}.", hint=f"Its {len(tasks)} tasks have numbers from 0."
        )
    return SessionCreate(environment=tasks[number].environment, task_id=tasks[number].id)


async def tasks_of(environments: Environments, place: str) -> Sequence[Task]:
    """Return the tasks in the order of their numbers. Raises NotFoundError for an unknown environment or split."""
    name, _, split = place.partition(":")
    return await asyncio.to_thread(_listed, environments, name, split or None)


def _listed(environments: Environments, name: str, split: str | None) -> Sequence[Task]:
    environment = environments.get(name)
    if split is not None and split not in (known := environment.info().splits):
        raise NotFoundError(f"{name} has no split {split[:80]!r}.", hint=f"Splits: {', '.join(known)}.")
    return environment.tasks(split)
