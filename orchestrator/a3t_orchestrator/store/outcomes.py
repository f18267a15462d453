"""How the episodes of a run ended, read without their steps; reports are computed from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from a3t_contracts.schemas import Trajectory

from .episodes import to_trajectory
from .tables import TrajectoryRow
from .work import PhaseKey

__all__ = ["Outcome", "latest_and_shortest", "list_outcomes", "sampling_triggers"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """A trajectory without its steps."""

    id: str
    round: int
    phase: str
    split: str
    task_id: str
    task_type: str
    success: bool
    reward: float
    stop_reason: str
    n_sampled: int
    n_made_up: int
    prompt_tokens: int
    completion_tokens: int
    created_at: datetime


def list_outcomes(session: Session, run: str) -> list[Outcome]:
    """All trajectories of a run, by round and id."""
    columns = [getattr(TrajectoryRow, field.name) for field in fields(Outcome)]
    query = select(*columns).where(TrajectoryRow.run == run).order_by(TrajectoryRow.round, TrajectoryRow.id)
    return [Outcome(*row) for row in session.execute(query)]


def sampling_triggers(session: Session, key: PhaseKey) -> Counter[str]:
    """Trigger → number of a phase's steps whose action was sampled for it."""
    query = select(TrajectoryRow.steps).where(
        TrajectoryRow.run == key.run,
        TrajectoryRow.round == key.round,
        TrajectoryRow.phase == key.phase,
        TrajectoryRow.n_sampled > 0,
    )
    steps = (step for found in session.scalars(query.execution_options(yield_per=200)) for step in found)
    return Counter(step["trigger"] for step in steps if step.get("trigger"))


def latest_and_shortest(session: Session, ids: Iterable[str]) -> Iterator[Trajectory]:
    """These trajectories, the latest round first, and within a round the shortest first."""
    query = (
        select(TrajectoryRow)
        .where(TrajectoryRow.id.in_(list(ids)))
        .order_by(TrajectoryRow.round.desc(), TrajectoryRow.n_steps, TrajectoryRow.id)
    )
    return (to_trajectory(row) for row in session.scalars(query))
