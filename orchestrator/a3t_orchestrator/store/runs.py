"""Stores and reads runs and their tasks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, RunStatus, Task

from ..recipe import Recipe, recipe_hash
from .records import add_event
from .tables import Run, RunTask, utc_now

__all__ = [
    "active_rounds",
    "add_task",
    "add_tasks",
    "create_run",
    "environment_of",
    "extend_run",
    "find_run",
    "free_run_name",
    "get_run",
    "is_run_task",
    "latest_run",
    "list_runs",
    "run_counts",
    "run_of_request",
    "run_statuses",
    "run_tasks",
    "task_types",
    "touch_run",
    "unfinished_run",
]


def free_run_name(session: Session, recipe: Recipe, now: datetime | None = None) -> str:
    """Return a free name `<recipe>-<date>-<time>`, with a number at its end if that is taken."""
    stamp = (now or utc_now()).strftime("%Y%m%d-%H%M%S")
    name, count = f"{recipe.name}-{stamp}", 1
    while session.get(Run, name) is not None:
        count += 1
        name = f"{recipe.name}-{stamp}-{count}"
    return name


def create_run(
    session: Session,
    name: str,
    recipe: Recipe,
    commit: str,
    details: dict[str, Any],
    *,
    status: RunStatus = RunStatus.planned,
    source: str | None = None,
    idempotency_key: str | None = None,
) -> Run:
    """Store a new run. Raises ConflictError if the name is taken.

    Args:
        status: with `queued` the orchestrator service drives the run.
        source: name of the run whose phases it begins with copies of.
        idempotency_key: key by which a repetition of the request is recognised.
    """
    run = Run(
        name=name,
        environment=recipe.environment,
        recipe=recipe.model_dump(mode="json"),
        seed=recipe.seed,
        recipe_sha256=recipe_hash(recipe),
        commit=commit,
        details=details,
        status=status.value,
        source=source,
        idempotency_key=idempotency_key,
    )
    session.add(run)
    try:
        session.flush()
    except IntegrityError as error:
        raise ConflictError(
            f"There is already a run {name!r}.", hint="Choose another name, or resume the run."
        ) from error
    return run


def extend_run(session: Session, name: str, rounds: int) -> Recipe:
    """Raise the number of a run's last round to `rounds`, and return the changed recipe."""
    run = get_run(session, name)
    recipe = Recipe.model_validate(run.recipe | {"rounds": rounds})
    add_event(session, name, 0, "extended", f"{rounds} rounds instead of {run.recipe['rounds']}", rounds=rounds)
    run.recipe, run.recipe_sha256 = recipe.model_dump(mode="json"), recipe_hash(recipe)
    run.status, run.finished_at = "interrupted", None
    return recipe


def add_tasks(session: Session, run: str, role: str, tasks: Sequence[Task]) -> None:
    """Store the tasks that a run uses, in their order. `role`: `train` or `held_out`."""
    session.add_all(
        RunTask(run=run, split=t.split, task_id=t.id, role=role, task_type=t.type, position=i)
        for i, t in enumerate(tasks)
    )
    session.flush()


def add_task(session: Session, run: str, role: str, task: Task) -> None:
    """Store one more task of a run, after the present ones. A task that is there already is not changed."""
    if session.get(RunTask, (run, task.split, task.id)) is None:
        position = session.scalar(select(func.count()).where(RunTask.run == run, RunTask.split == task.split)) or 0
        values = {"run": run, "split": task.split, "task_id": task.id}
        session.add(RunTask(**values, role=role, task_type=task.type, position=position))
        session.flush()


def run_tasks(session: Session, run: str, role: str, split: str | None = None) -> list[RunTask]:
    """Return the tasks of a run in their order."""
    query = select(RunTask).where(RunTask.run == run, RunTask.role == role).order_by(RunTask.split, RunTask.position)
    return list(session.scalars(query if split is None else query.where(RunTask.split == split)))


def is_run_task(session: Session, run: str, task_id: str) -> bool:
    """Whether a run trains on the task or is evaluated on it."""
    query = select(RunTask.task_id).where(RunTask.run == run, RunTask.task_id == task_id).limit(1)
    return session.scalar(query) is not None


def task_types(session: Session, run: str | None = None) -> list[str]:
    """Return the types of the tasks of a run, or of all runs, in alphabetical order."""
    query = select(RunTask.task_type).distinct().order_by(RunTask.task_type)
    return list(session.scalars(query if run is None else query.where(RunTask.run == run)))


def find_run(session: Session, name: str) -> Run | None:
    """Return the run of this name, or None."""
    return session.get(Run, name)


def run_of_request(session: Session, idempotency_key: str) -> Run | None:
    """Return the run that a request with this key began, or None."""
    return session.scalar(select(Run).where(Run.idempotency_key == idempotency_key))


def get_run(session: Session, name: str) -> Run:
    """Return one run. Raises NotFoundError."""
    run = find_run(session, name)
    if run is None:
        raise NotFoundError(f"There is no run {name!r}.", hint="`a3t runs` lists them.")
    return run


def environment_of(run: Run) -> EnvironmentInfo:
    """Return the description of the run's environment that the env service gave when the run began."""
    told = run.details.get("environment")
    if told is not None:
        return EnvironmentInfo.model_validate(told)
    return EnvironmentInfo(name=run.environment, engines=[], splits={}, task_types=[], max_steps=1)


def list_runs(session: Session, limit: int = 100) -> list[Run]:
    """The newest runs first."""
    return list(session.scalars(select(Run).order_by(Run.created_at.desc(), Run.name.desc()).limit(limit)))


def run_statuses(session: Session, names: Sequence[str]) -> dict[str, str]:
    """Return the status of each of these runs that exists, by name."""
    query = select(Run.name, Run.status).where(Run.name.in_(names))
    return {row.name: row.status for row in session.execute(query)}


def run_counts(session: Session) -> dict[str, int]:
    """Return the number of runs in each status."""
    return dict(session.execute(select(Run.status, func.count()).group_by(Run.status)).tuples().all())


def active_rounds(session: Session) -> list[tuple[str, int, str]]:
    """Return name, round and phase of every run that has not ended."""
    active = [status.value for status in RunStatus if status.active]
    query = select(Run.name, Run.round, Run.phase).where(Run.status.in_(active))
    return list(session.execute(query).tuples())


def latest_run(session: Session) -> Run:
    """Return the newest run. Raises NotFoundError if there is none."""
    runs = list_runs(session, 1)
    if not runs:
        raise NotFoundError("There is no run yet.", hint="Start one with `a3t run CONFIG` or `a3t demo`.")
    return runs[0]


def unfinished_run(session: Session, recipe_name: str) -> Run:
    """Return the newest run of a recipe that has not finished. Raises NotFoundError."""
    query = select(Run).where(Run.status != "finished").order_by(Run.created_at.desc())
    for run in session.scalars(query):
        if run.recipe.get("name") == recipe_name:
            return run
    raise NotFoundError(f"There is no unfinished run of {recipe_name!r} to resume.", hint="`a3t runs` lists the runs.")


def touch_run(session: Session, name: str, **changes: Any) -> None:
    """Set columns of a run. `changes`: new values by name of the column."""
    run = get_run(session, name)
    for key, value in changes.items():
        setattr(run, key, value)
