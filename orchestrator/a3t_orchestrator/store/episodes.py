"""Stores and reads trajectories."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlalchemy.orm import Session, joinedload, load_only

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import Source, Step, Trajectory, Trigger

from .tables import TrajectoryRow, TrajectorySteps, WorkItem
from .work import PhaseKey, Plan, insert_new, insert_returning, plan_work

__all__ = [
    "action_hash",
    "add_finished",
    "add_trajectories",
    "annotate_trajectory",
    "collected",
    "count_successes",
    "find_trajectory",
    "get_trajectory",
    "insert_trajectories",
    "iter_trajectories",
    "outcomes_by_task",
    "recorded_ids",
    "save_trajectory",
    "texts_of",
    "to_trajectory",
    "trajectory_row",
    "unexplained",
    "whole_rows",
]

_HEAD = (
    "id",
    "run",
    "round",
    "environment",
    "engine",
    "split",
    "task_id",
    "task_type",
    "seed",
    "sample",
    "policy_version",
    "multiline",
    "prompt",
    "reward",
    "success",
    "created_at",
    "seconds",
)
"""Fields of `Trajectory` that TrajectoryRow has under the same names."""
_TOLD = ("preamble", "final_observation")
"""Fields of `Trajectory` that TrajectorySteps has under the same names."""

_COLLECTED = (
    TrajectoryRow.id,
    TrajectoryRow.round,
    TrajectoryRow.phase,
    TrajectoryRow.task_id,
    TrajectoryRow.sample,
    TrajectoryRow.success,
    TrajectoryRow.actions_sha256,
    TrajectoryRow.n_steps,
)


def action_hash(steps: Iterable[Step]) -> str:
    """Return the SHA-256 of the sequence of actions in hex digits. It is equal for episodes with the same actions."""
    return hashlib.sha256("\x1f".join(" ".join(s.action.split()) for s in steps).encode()).hexdigest()


def save_trajectory(
    session: Session, item_id: str, trajectory: Trajectory, *, phase: str, annotated: bool = True
) -> bool:
    """Store an episode and mark its work item as done, in one transaction. Returns False if it was stored before."""
    added = add_trajectories(session, [(trajectory, phase)], annotated=annotated)
    session.execute(
        update(WorkItem).where(WorkItem.id == item_id).values(state="done", worker=None, lease_until=None, error=None)
    )
    return added == 1


def add_trajectories(session: Session, episodes: Iterable[tuple[Trajectory, str]], *, annotated: bool = True) -> int:
    """Store episodes, each with its phase, and return how many were new."""
    return insert_trajectories(session, [(_row(one, phase, annotated), _steps_row(one)) for one, phase in episodes])


def add_finished(
    session: Session, key: PhaseKey, episodes: Sequence[Trajectory], *, annotated: Callable[[Trajectory], bool]
) -> None:
    """Store episodes that need not be played as the finished work of a phase. `annotated` returns whether an episode
    has all its reasons."""
    plans = [Plan(e.task_id, e.task_type, e.split, e.kind.value, e.sample, e.policy_version) for e in episodes]
    plan_work(session, key, plans)
    for episode in episodes:
        save_trajectory(session, episode.id, episode, phase=key.phase, annotated=annotated(episode))


def unexplained(session: Session, key: PhaseKey) -> list[Plan]:
    """Return plans for the annotation that episodes of a phase still need."""
    columns = (TrajectoryRow.task_id, TrajectoryRow.task_type, TrajectoryRow.split, TrajectoryRow.kind)
    query = select(*columns, TrajectoryRow.sample).where(*_of_phase(key), TrajectoryRow.annotated.is_(False))
    return [Plan(*row, None) for row in session.execute(query.order_by(TrajectoryRow.number))]


def insert_trajectories(session: Session, rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> int:
    """Insert the trajectories whose id is not there yet, and return their number. `rows`: columns of TrajectoryRow and
    of TrajectorySteps, both without `number`."""
    texts = {head["id"]: steps for head, steps in rows}
    columns = TrajectoryRow.__table__.c
    added = insert_returning(session, TrajectoryRow, [head for head, _ in rows], columns.id, columns.number)
    insert_new(session, TrajectorySteps, [texts[key] | {"number": number} for key, number in added])
    return len(added)


def annotate_trajectory(session: Session, item_id: str, trajectory_id: str, steps: Sequence[Step]) -> None:
    """Write the reasons of a stored episode once, and mark the annotation item as done."""
    marked = (
        update(TrajectoryRow)
        .where(TrajectoryRow.id == trajectory_id, TrajectoryRow.annotated.is_(False))
        .values(annotated=True)
        .returning(TrajectoryRow.number)
    )
    for number in session.scalars(marked).all():
        texts = update(TrajectorySteps).where(TrajectorySteps.number == number)
        session.execute(texts.values(steps=[_step(s) for s in steps]))
    session.execute(update(WorkItem).where(WorkItem.id == item_id).values(state="done", worker=None, lease_until=None))


def to_trajectory(row: TrajectoryRow) -> Trajectory:
    """Return the trajectory of a row."""
    values: dict[str, Any] = {name: getattr(row, name) for name in (*_HEAD, *_TOLD)}
    return Trajectory.model_validate(
        values | {"kind": row.kind, "stop_reason": row.stop_reason, "steps": row.steps, "metadata": row.details}
    )


def get_trajectory(session: Session, trajectory_id: str) -> Trajectory:
    """Return the trajectory with this id. Raises NotFoundError."""
    return to_trajectory(trajectory_row(session, trajectory_id))


def texts_of(session: Session, numbers: Sequence[int]) -> list[TrajectorySteps]:
    """What is large in the episodes with these numbers."""
    return list(session.scalars(select(TrajectorySteps).where(TrajectorySteps.number.in_(numbers))))


def trajectory_row(session: Session, trajectory_id: str) -> TrajectoryRow:
    """Return the row of a trajectory, with its steps. Raises NotFoundError."""
    row = session.scalar(_whole().where(TrajectoryRow.id == trajectory_id))
    if row is None:
        raise NotFoundError(f"There is no trajectory {trajectory_id!r}.", hint="`a3t trajectories list` lists them.")
    return row


def find_trajectory(session: Session, prefix: str) -> Trajectory:
    """Find a trajectory by its id or the beginning of its id. Raises NotFoundError, or InvalidInputError if several ids
    begin so."""
    if not prefix or any(c not in "0123456789abcdef" for c in prefix):
        raise NotFoundError(
            f"There is no trajectory {prefix!r}.",
            hint="Ids consist of hexadecimal digits; `a3t trajectories list` shows them.",
        )
    query = select(TrajectoryRow.id).where(TrajectoryRow.id.startswith(prefix)).limit(2)
    found = list(session.scalars(query))
    if len(found) > 1:
        raise InvalidInputError(f"Several trajectories begin with {prefix!r}.", hint="Give more digits.")
    return get_trajectory(session, found[0] if found else prefix)


def collected(session: Session, run: str, number: int, split: str) -> list[TrajectoryRow]:
    """Return the episodes with steps that rounds 0 to `number` collected on a split. Only the columns that identify and
    sort them are loaded."""
    query = (
        select(TrajectoryRow)
        .options(load_only(*_COLLECTED))
        .where(
            TrajectoryRow.run == run,
            TrajectoryRow.round <= number,
            TrajectoryRow.split == split,
            TrajectoryRow.n_steps > 0,
        )
    )
    return list(session.scalars(query))


def outcomes_by_task(session: Session, key: PhaseKey) -> dict[str, tuple[int, int]]:
    """Return the numbers of episodes and of successes of a phase, by task."""
    query = (
        select(TrajectoryRow.task_id, TrajectoryRow.success, func.count())
        .where(*_of_phase(key))
        .group_by(TrajectoryRow.task_id, TrajectoryRow.success)
    )
    counts: dict[str, tuple[int, int]] = {}
    for task, success, count in session.execute(query):
        episodes, wins = counts.get(task, (0, 0))
        counts[task] = (episodes + count, wins + (count if success else 0))
    return counts


def count_successes(session: Session, key: PhaseKey, split: str | None = None) -> int:
    """Return how many episodes of a phase succeeded; with `split` only those of this split."""
    query = select(func.count()).select_from(TrajectoryRow).where(*_of_phase(key), TrajectoryRow.success)
    return session.scalar(query if split is None else query.where(TrajectoryRow.split == split)) or 0


def recorded_ids(session: Session, run: str) -> set[str]:
    """Return the ids, in the policy service, of the recorded episodes that a run has taken."""
    query = select(TrajectorySteps.details).join(TrajectoryRow, TrajectoryRow.number == TrajectorySteps.number)
    found = session.scalars(query.where(TrajectoryRow.run == run))
    return {details["recorded"] for details in found if "recorded" in details}


def iter_trajectories(session: Session, ids: Sequence[str]) -> Iterator[Trajectory]:
    """Yield trajectories in the order of their ids. Only a few are in memory at a time."""
    for rows in whole_rows(session, ids):
        yield from map(to_trajectory, rows)


def whole_rows(session: Session, ids: Sequence[str], size: int = 200) -> Iterator[list[TrajectoryRow]]:
    """Yield rows with their steps in the order of their ids, `size` rows at a time. The session forgets the rows before
    them."""
    for start in range(0, len(ids), size):
        part = ids[start : start + size]
        rows = {row.id: row for row in session.scalars(_whole().where(TrajectoryRow.id.in_(part)))}
        yield [rows[trajectory_id] for trajectory_id in part]
        for row in rows.values():
            session.expunge(row.texts)
            session.expunge(row)


def _whole() -> Select[TrajectoryRow]:
    """Return a query for rows with their steps."""
    return select(TrajectoryRow).options(joinedload(TrajectoryRow.texts, innerjoin=True))


def _of_phase(key: PhaseKey) -> tuple[ColumnElement[bool], ...]:
    return (TrajectoryRow.run == key.run, TrajectoryRow.round == key.round, TrajectoryRow.phase == key.phase)


def _step(step: Step) -> dict[str, Any]:
    return step.model_dump(mode="json", exclude_none=True)


def _row(trajectory: Trajectory, phase: str, annotated: bool) -> dict[str, Any]:
    steps = trajectory.steps
    values: dict[str, Any] = {name: getattr(trajectory, name) for name in _HEAD}
    return values | {
        "phase": phase,
        "annotated": annotated,
        "kind": trajectory.kind.value,
        "stop_reason": trajectory.stop_reason.value,
        "n_steps": len(steps),
        "n_sampled": sum(s.source is Source.sampled for s in steps),
        "n_sampled_coin": sum(s.trigger is Trigger.coin for s in steps),
        "n_sampled_invalid": sum(s.trigger is Trigger.invalid for s in steps),
        "n_invalid": sum(not s.valid for s in steps),
        "n_made_up": sum(s.made_up_observation for s in steps),
        "prompt_tokens": sum(s.prompt_tokens or 0 for s in steps),
        "completion_tokens": sum(len(s.completion_ids or ()) for s in steps),
        "actions_sha256": action_hash(steps),
    }


def _steps_row(trajectory: Trajectory) -> dict[str, Any]:
    values: dict[str, Any] = {name: getattr(trajectory, name) for name in _TOLD}
    return values | {"details": trajectory.metadata, "steps": [_step(s) for s in trajectory.steps]}
