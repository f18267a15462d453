"""Finds episodes of the same task: all of them, and the one that the method pairs with an episode (paper §3)."""

from __future__ import annotations

from sqlalchemy import ColumnElement, case, select
from sqlalchemy.orm import Session

from ..phases import Phase
from .tables import TrainingMember, TrajectoryRow

__all__ = ["counterpart", "episodes_of_task"]


def episodes_of_task(session: Session, row: TrajectoryRow, limit: int = 100) -> list[TrajectoryRow]:
    """Return the episodes of the row's run and task, by round and in the order in which they were stored."""
    query = select(TrajectoryRow).where(TrajectoryRow.run == row.run, TrajectoryRow.task_id == row.task_id)
    return list(session.scalars(query.order_by(TrajectoryRow.round, TrajectoryRow.number).limit(limit)))


def counterpart(session: Session, row: TrajectoryRow) -> TrajectoryRow | None:
    """Return a composed success of the same task for a failure of the agent's own trial, and the other way round; None
    if there is none.

    An episode of the same round is preferred, then one that was trained on, then one of a late round.
    """
    wanted = _counterpart_of(row)
    if wanted is None:
        return None
    trained = select(TrainingMember.trajectory_id).where(TrainingMember.trajectory_id == TrajectoryRow.id).exists()
    nearest = (
        case((TrajectoryRow.round == row.round, 0), else_=1),
        case((trained, 0), else_=1),
        TrajectoryRow.round.desc(),
        TrajectoryRow.n_steps,
        TrajectoryRow.number,
    )
    query = select(TrajectoryRow).where(
        TrajectoryRow.run == row.run, TrajectoryRow.task_id == row.task_id, TrajectoryRow.n_steps > 0, *wanted
    )
    return session.scalar(query.order_by(*nearest).limit(1))


def _counterpart_of(row: TrajectoryRow) -> tuple[ColumnElement[bool], ...] | None:
    if row.phase == Phase.rollout and not row.success:
        return TrajectoryRow.phase == Phase.compose, TrajectoryRow.success.is_(True)
    if row.phase == Phase.compose and row.success:
        return TrajectoryRow.phase == Phase.rollout, TrajectoryRow.success.is_(False)
    return None
