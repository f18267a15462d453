"""Evaluating agents of a run on a split of one's choice, in the loop's own books."""

from __future__ import annotations

from collections.abc import Mapping

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import InvalidInputError

from ..episodes import ServiceAddresses
from ..store import RunTask
from .collect import evaluate
from .context import RunContext
from .start import fetch_tasks

__all__ = ["evaluate_split"]


async def evaluate_split(context: RunContext, versions: Mapping[int, str], split: str, count: int | None) -> None:
    """One trial at each of a split's tasks by each round's agent; trials in the database are not repeated.

    Raises NotFoundError for a split without tasks, InvalidInputError for the split that the run trains on.
    """
    if split == context.recipe.data.split:
        raise InvalidInputError(f"{split} is the split that {context.run} trains on.", hint="Name a held-out split.")
    addresses = ServiceAddresses.of(context.settings)
    async with EnvClient(addresses.env, addresses.token) as env:
        found = await fetch_tasks(env, context.recipe, split, count)
    tasks = [
        RunTask(run=context.run, split=split, task_id=t.id, role="held_out", task_type=t.type, position=i)
        for i, t in enumerate(found)
    ]
    for number, version in sorted(versions.items()):
        await evaluate(context, number, version, tasks)
