"""Trajectories in the database."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import Session, load_only

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import Source, Step, Trajectory

from .tables import TrajectoryRow, WorkItem
from .work import PhaseKey, insert_new

__all__ = [
    "EpisodeFilter",
    "action_hash",
    "annotate_trajectory",
    "collected",
    "count_successes",
    "count_trajectories",
    "find_trajectory",
    "get_trajectory",
    "iter_trajectories",
    "list_trajectories",
    "outcomes_by_task",
    "save_trajectory",
    "to_trajectory",
    "trajectory_ids",
]

_PLAIN = (
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
    "preamble",
    "multiline",
    "final_observation",
    "reward",
    "success",
    "created_at",
    "seconds",
)


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


@dataclass(frozen=True, slots=True)
class EpisodeFilter:
    """Which trajectories; None means any."""

    run: str | None = None
    round: int | None = None
    kind: str | None = None
    phase: str | None = None
    split: str | None = None
    task_id: str | None = None
    success: bool | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """As SQL."""
        pairs = {name: getattr(self, name) for name in self.__dataclass_fields__}
        return [getattr(TrajectoryRow, name) == value for name, value in pairs.items() if value is not None]


def action_hash(steps: Iterable[Step]) -> str:
    """SHA-256 of the action sequence, hex: equal for duplicates."""
    return hashlib.sha256("\x1f".join(" ".join(s.action.split()) for s in steps).encode()).hexdigest()


def save_trajectory(
    session: Session, item_id: str, trajectory: Trajectory, *, phase: str, annotated: bool = True
) -> bool:
    """Store an episode and mark its item done, in one transaction. False where it was stored before."""
    added = insert_new(session, TrajectoryRow, [_row(trajectory, phase, annotated)])
    session.execute(
        update(WorkItem).where(WorkItem.id == item_id).values(state="done", worker=None, lease_until=None, error=None)
    )
    return added == 1


def annotate_trajectory(session: Session, item_id: str, trajectory_id: str, steps: Sequence[Step]) -> None:
    """Write the reasons of a stored episode once, and mark the annotation item done."""
    session.execute(
        update(TrajectoryRow)
        .where(TrajectoryRow.id == trajectory_id, TrajectoryRow.annotated.is_(False))
        .values(steps=[_step(s) for s in steps], annotated=True)
    )
    session.execute(update(WorkItem).where(WorkItem.id == item_id).values(state="done", worker=None, lease_until=None))


def to_trajectory(row: TrajectoryRow) -> Trajectory:
    """The schema of a row."""
    values: dict[str, Any] = {name: getattr(row, name) for name in _PLAIN}
    return Trajectory.model_validate(
        values | {"kind": row.kind, "stop_reason": row.stop_reason, "steps": row.steps, "metadata": row.details}
    )


def get_trajectory(session: Session, trajectory_id: str) -> Trajectory:
    """Raises NotFoundError."""
    row = session.get(TrajectoryRow, trajectory_id)
    if row is None:
        raise NotFoundError(f"There is no trajectory {trajectory_id!r}.", hint="`a3t trajectories list` lists them.")
    return to_trajectory(row)


def find_trajectory(session: Session, prefix: str) -> Trajectory:
    """By its id or the beginning of it. Raises NotFoundError, InvalidInputError where several begin so."""
    if not prefix or any(c not in "0123456789abcdef" for c in prefix):
        raise NotFoundError(f"There is no trajectory {prefix!r}.", hint="Ids are hexadecimal digits.")
    query = select(TrajectoryRow.id).where(TrajectoryRow.id.startswith(prefix)).limit(2)
    found = list(session.scalars(query))
    if len(found) > 1:
        raise InvalidInputError(f"Several trajectories begin with {prefix!r}.", hint="Give more digits.")
    return get_trajectory(session, found[0] if found else prefix)


def list_trajectories(session: Session, where: EpisodeFilter, limit: int = 50, offset: int = 0) -> list[TrajectoryRow]:
    """One page, in order of making."""
    query = select(TrajectoryRow).where(*where.conditions())
    order = (TrajectoryRow.created_at, TrajectoryRow.id)
    return list(session.scalars(query.order_by(*order).limit(limit).offset(offset)))


def count_trajectories(session: Session, where: EpisodeFilter) -> int:
    """How many there are over all pages."""
    return session.scalar(select(func.count()).select_from(TrajectoryRow).where(*where.conditions())) or 0


def trajectory_ids(session: Session, where: EpisodeFilter) -> list[str]:
    """Ids of all that match, in order of making."""
    query = select(TrajectoryRow.id).where(*where.conditions())
    return list(session.scalars(query.order_by(TrajectoryRow.created_at, TrajectoryRow.id)))


def collected(session: Session, run: str, number: int, split: str) -> list[TrajectoryRow]:
    """The episodes with steps that rounds 0 to `number` collected on a split: what identifies and sorts them."""
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
    """Task → (episodes, successes) of a phase."""
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


def count_successes(session: Session, key: PhaseKey) -> int:
    """Episodes of a phase that succeeded."""
    query = select(func.count()).select_from(TrajectoryRow).where(*_of_phase(key), TrajectoryRow.success)
    return session.scalar(query) or 0


def iter_trajectories(session: Session, ids: Sequence[str]) -> Iterator[Trajectory]:
    """Trajectories in the order of their ids, a few at a time in memory."""
    for start in range(0, len(ids), 200):
        part = ids[start : start + 200]
        rows = {r.id: r for r in session.scalars(select(TrajectoryRow).where(TrajectoryRow.id.in_(part)))}
        for trajectory_id in part:
            yield to_trajectory(rows[trajectory_id])
            session.expunge(rows[trajectory_id])


def _of_phase(key: PhaseKey) -> tuple[ColumnElement[bool], ...]:
    return (TrajectoryRow.run == key.run, TrajectoryRow.round == key.round, TrajectoryRow.phase == key.phase)


def _step(step: Step) -> dict[str, Any]:
    return step.model_dump(mode="json", exclude_none=True)


def _row(trajectory: Trajectory, phase: str, annotated: bool) -> dict[str, Any]:
    steps = trajectory.steps
    values: dict[str, Any] = {name: getattr(trajectory, name) for name in _PLAIN}
    return values | {
        "phase": phase,
        "annotated": annotated,
        "kind": trajectory.kind.value,
        "stop_reason": trajectory.stop_reason.value,
        "details": trajectory.metadata,
        "steps": [_step(s) for s in steps],
        "n_steps": len(steps),
        "n_sampled": sum(s.source is Source.sampled for s in steps),
        "n_invalid": sum(not s.valid for s in steps),
        "n_made_up": sum(s.made_up_observation for s in steps),
        "prompt_tokens": sum(s.prompt_tokens or 0 for s in steps),
        "completion_tokens": sum(len(s.completion_ids or ()) for s in steps),
        "actions_sha256": action_hash(steps),
    }
