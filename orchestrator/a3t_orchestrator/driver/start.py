"""Creates a run: checks its name, draws its tasks, and records recipe, code version and environment."""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
from pathlib import Path

from sqlalchemy.orm import Session

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, RunStatus, Task

from ..gateway import ServiceAddresses, patiently
from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..store import Store, add_event, add_tasks, create_run, free_run_name
from ..worked_example import worked_example
from .branch import take_over
from .imported import known_tasks, take_imported
from .recorded import OPEN_TASKS

__all__ = ["begin_run", "code_commit", "fetch_tasks"]


async def begin_run(
    store: Store,
    settings: OrchestratorSettings,
    recipe: Recipe,
    name: str | None = None,
    source: str | None = None,
    *,
    status: RunStatus = RunStatus.planned,
    idempotency_key: str | None = None,
    patience: float | None = None,
) -> str:
    """Draw the tasks of a run, store the run, and return its name.

    Args:
        source: name of a run whose phases are copied, up to the first phase in which the recipes differ.
        status: `queued` leaves the run to the orchestrator service, `planned` to the caller.
        idempotency_key: key by which a repetition of the request is recognised.
        patience: seconds to wait for an env service that does not answer; None takes `limits.outage_seconds`.

    Raises NotFoundError or InvalidInputError where the environment, a split or the source does not exist, or where a
    split has too few tasks.
    """
    addresses = ServiceAddresses.of(settings)
    async with EnvClient(addresses.env, addresses.token) as env:
        seconds = recipe.limits.outage_seconds if patience is None else patience
        environment, training, held_out = await _drawn_tasks(env, recipe, seconds)
        named = await known_tasks(env, recipe, environment.task_numbers) if recipe.round0.mode == "imported" else None
    details = {"environment": environment.model_dump(mode="json"), OPEN_TASKS: not training}
    commit = await asyncio.to_thread(code_commit)

    def create(session: Session) -> str:
        run = name or free_run_name(session, recipe)
        create_run(session, run, recipe, commit, details, status=status, source=source, idempotency_key=idempotency_key)
        add_tasks(session, run, "train", training)
        for tasks in held_out:
            add_tasks(session, run, "held_out", tasks)
        told = (
            f"{len(training)} training tasks"
            if training
            else "The training tasks are the tasks of the episodes that are recorded"
        )
        add_event(session, run, 0, "started", told, training_tasks=len(training))
        if source is not None:
            take_over(session, source, run, recipe)
        elif named is not None:
            take_imported(session, run, recipe, environment, *named)
        return run

    return await store.do(create)


async def _drawn_tasks(
    env: EnvClient, recipe: Recipe, patience: float
) -> tuple[EnvironmentInfo, list[Task], list[list[Task]]]:
    """Fetch the environment's description, the training tasks, and the tasks of every held-out split."""
    environment = await _described(env, recipe, patience)
    if environment is None:
        return _unknown(recipe)
    training = await _training_tasks(env, recipe, environment.get_data)
    held_out = [await fetch_tasks(env, recipe, h.split, h.tasks, environment.get_data) for h in recipe.data.held_out]
    return environment, training, held_out


async def fetch_tasks(env: EnvClient, recipe: Recipe, split: str, count: int | None, get_data: str = "") -> list[Task]:
    """Fetch `count` tasks of a split, drawn by the recipe's seed; None takes all.

    The tasks have the name of the requested split, which may be a part of the split that they are stored in. `get_data`
    says how to get more tasks, for errors.
    """
    types = recipe.data.types
    tasks = [
        task.model_copy(update={"split": split})
        for task in await env.all_tasks(recipe.environment, split)
        if types is None or task.type in types
    ]
    return _drawn(recipe, tasks, split, count, get_data)


def _drawn(recipe: Recipe, tasks: list[Task], split: str, count: int | None, get_data: str) -> list[Task]:
    if not tasks:
        raise NotFoundError(
            f"There are no {recipe.environment} tasks in the split {split!r}.",
            hint=get_data or None,
        )
    if count is not None and count > len(tasks):
        raise InvalidInputError(
            f"The recipe needs {count} tasks of the split {split!r}, which has only {len(tasks)}.",
            hint=f"Lower data.tasks or the tasks of data.held_out, or get more tasks. {get_data}".rstrip(),
        )
    random.Random(f"{recipe.seed}/{split}").shuffle(tasks)
    return tasks[:count]


def code_commit() -> str:
    """Return the commit of the running code: A3T_COMMIT, or what git reports for this folder; empty if neither is
    known."""
    named = os.environ.get("A3T_COMMIT")
    if named:
        return named[:64]
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--abbrev=12"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return ""


async def _training_tasks(env: EnvClient, recipe: Recipe, get_data: str) -> list[Task]:
    if recipe.collect == "recorded" and recipe.recorded.tasks is not None:
        return _listed(recipe, recipe.recorded.tasks)
    return await fetch_tasks(env, recipe, recipe.data.split, recipe.data.tasks, get_data)


def _unknown(recipe: Recipe) -> tuple[EnvironmentInfo, list[Task], list[list[Task]]]:
    """Return description, training tasks and held-out tasks of a recorded environment that the env service does not
    have. Where the recipe lists no tasks, there are none at first: the tasks of recorded episodes become the tasks."""
    info = EnvironmentInfo(
        name=recipe.environment,
        engines=[],
        splits={},
        task_types=[],
        max_steps=1,
        lists_actions=False,
        samples=False,
        expert=False,
        success="the agent that played says so",
    )
    tasks = [] if recipe.recorded.tasks is None else _listed(recipe, recipe.recorded.tasks)
    if not tasks and recipe.recorded.episodes is None:
        raise InvalidInputError(
            f"The env service does not know {recipe.environment}, so the run cannot tell how many episodes a round "
            "needs.",
            hint="Set recorded.episodes, or list the tasks in recorded.tasks.",
        )
    unsaid = [h.split for h in recipe.data.held_out if h.tasks is None]
    if unsaid:
        raise InvalidInputError(
            f"data.held_out does not say how many tasks {', '.join(unsaid)} has, and the env service does not know "
            f"{recipe.environment}.",
            hint="Set `tasks` next to each `split` there.",
        )
    return info, tasks, []


def _listed(recipe: Recipe, ids: list[str]) -> list[Task]:
    """Return the training tasks that a recipe lists. Raises InvalidInputError where `data.tasks` is larger than the
    list."""
    split = recipe.data.split
    tasks = [Task(id=i, environment=recipe.environment, split=split, type="task") for i in dict.fromkeys(ids)]
    return _drawn(recipe, tasks, split, recipe.data.tasks, "recorded.tasks is the list.")


async def _described(env: EnvClient, recipe: Recipe, patience: float) -> EnvironmentInfo | None:
    """Fetch the env service's description of the recipe's environment, which is stored with the run; None for a
    recorded environment that the env service does not know."""
    found = {info.name: info for info in await patiently(env.environments, patience)}
    if recipe.environment not in found and recipe.collect == "recorded":
        return None
    if recipe.environment not in found:
        raise NotFoundError(
            f"The env service has no environment {recipe.environment!r}; it has {', '.join(found) or 'none'}.",
            hint="`a3t data` gets data; docs/how-to/environment.md says how to add an environment of your own.",
        )
    info = found[recipe.environment]
    if recipe.engine is not None and info.engines and recipe.engine not in info.engines:
        raise InvalidInputError(
            f"engine: {recipe.environment} has no engine {recipe.engine!r}; it has {', '.join(info.engines)}."
        )
    if recipe.round0.mode == "demonstrations" and not info.expert:
        raise InvalidInputError(
            f"round0.mode is demonstrations, but {info.name} has no scripted expert.",
            hint="Set round0.mode to few_shot or none.",
        )
    if recipe.round0.mode == "few_shot":
        worked_example(recipe, info)
    if recipe.compose.propose == "environment" and not info.samples:
        raise InvalidInputError(
            f"compose.propose is environment, but {info.name} cannot draw random actions.",
            hint="Set compose.propose to auto or policy.",
        )
    if recipe.compose.hindsight and not info.hindsight:
        raise InvalidInputError(
            f"compose.hindsight is true, but {info.name} cannot tell which other tasks an episode has solved.",
            hint="Set compose.hindsight to false; docs/env-service.md says what an environment needs for it.",
        )
    return info.model_copy(update={"task_types": [], "splits": {}})
