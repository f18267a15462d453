"""Lets the database count how the episodes of a run ended. Reports are computed from these counts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, case, func, select
from sqlalchemy.orm import Session

from a3t_contracts.schemas import Trajectory

from ..phases import Phase
from .episodes import to_trajectory, whole_rows
from .tables import TrajectoryRow

__all__ = [
    "Tally",
    "TaskTally",
    "Trial",
    "evaluation_trials",
    "success_by_round",
    "tallies",
    "task_tallies",
    "tasks_by_round",
    "telling",
]

_GROUP = ("round", "phase", "split", "task_type", "stop_reason")
_SUMS = (
    "reward",
    "n_steps",
    "n_sampled",
    "n_sampled_coin",
    "n_sampled_invalid",
    "n_made_up",
    "prompt_tokens",
    "completion_tokens",
)


@dataclass(frozen=True, slots=True)
class Tally:
    """A group of episodes with the same round, phase, split, task type and stop reason: their number, and sums of their
    figures."""

    round: int
    phase: str
    split: str
    task_type: str
    stop_reason: str
    episodes: int
    successes: int
    reward: float
    n_steps: int
    n_sampled: int
    n_sampled_coin: int
    n_sampled_invalid: int
    n_made_up: int
    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class TaskTally:
    """Numbers of episodes and successes of a task."""

    task_id: str
    task_type: str
    episodes: int
    successes: int


@dataclass(frozen=True, slots=True)
class Trial:
    """The result of an evaluation episode."""

    round: int
    split: str
    task_id: str
    success: bool
    reward: float


def tallies(session: Session, run: str) -> list[Tally]:
    """Return all episodes of a run, grouped by round, phase, split, task type and stop reason."""
    group: list[ColumnElement[Any]] = [getattr(TrajectoryRow, name) for name in _GROUP]
    sums: list[ColumnElement[Any]] = [func.sum(getattr(TrajectoryRow, name)) for name in _SUMS]
    query: Select[*tuple[Any, ...]] = select(*group, func.count(), _successes(), *sums)
    return [Tally(*row) for row in session.execute(query.where(TrajectoryRow.run == run).group_by(*group))]


def task_tallies(session: Session, run: str, phase: Phase) -> list[TaskTally]:
    """Return the counts of a phase's episodes over all rounds, by task."""
    query = (
        select(TrajectoryRow.task_id, func.min(TrajectoryRow.task_type), func.count(), _successes())
        .where(TrajectoryRow.run == run, TrajectoryRow.phase == phase)
        .group_by(TrajectoryRow.task_id)
    )
    return [TaskTally(*row) for row in session.execute(query)]


def tasks_by_round(session: Session, run: str, phase: Phase, *, success: bool) -> dict[int, int]:
    """Return by round the number of tasks that have an episode of the phase that succeeded (`success`) or failed."""
    tasks = func.count(TrajectoryRow.task_id.distinct())
    query = select(TrajectoryRow.round, tasks).where(
        TrajectoryRow.run == run, TrajectoryRow.phase == phase, TrajectoryRow.success.is_(success)
    )
    return {row[0]: row[1] for row in session.execute(query.group_by(TrajectoryRow.round))}


def evaluation_trials(session: Session, run: str, train_split: str) -> dict[int, list[Trial]]:
    """Return by round the results of its agent's evaluation episodes on held-out tasks."""
    query = select(
        TrajectoryRow.round, TrajectoryRow.split, TrajectoryRow.task_id, TrajectoryRow.success, TrajectoryRow.reward
    ).where(TrajectoryRow.run == run, TrajectoryRow.phase == Phase.evaluate, TrajectoryRow.split != train_split)
    found: dict[int, list[Trial]] = defaultdict(list)
    for row in session.execute(query.order_by(TrajectoryRow.round)):
        found[row[0]].append(Trial(*row))
    return found


def success_by_round(session: Session, runs: Sequence[str]) -> dict[str, list[float]]:
    """Return by run the success rates of the agents of its rounds, over all splits that they were evaluated on."""
    query = (
        select(TrajectoryRow.run, TrajectoryRow.round, func.count(), _successes())
        .where(TrajectoryRow.run.in_(runs), TrajectoryRow.phase == Phase.evaluate)
        .group_by(TrajectoryRow.run, TrajectoryRow.round)
        .order_by(TrajectoryRow.run, TrajectoryRow.round)
    )
    rates: dict[str, list[float]] = defaultdict(list)
    for run, _, episodes, successes in session.execute(query):
        rates[run].append(successes / episodes)
    return rates


def telling(session: Session, run: str, limit: int = 500) -> Iterator[Trajectory]:
    """Yield composed successes with a sampled step, the latest round first, and within a round the shortest first."""
    query = (
        select(TrajectoryRow.id)
        .where(
            TrajectoryRow.run == run,
            TrajectoryRow.phase == Phase.compose,
            TrajectoryRow.success,
            TrajectoryRow.n_sampled > 0,
        )
        .order_by(TrajectoryRow.round.desc(), TrajectoryRow.n_steps, TrajectoryRow.id)
        .limit(limit)
    )
    for rows in whole_rows(session, list(session.scalars(query)), size=10):
        yield from map(to_trajectory, rows)


def _successes() -> ColumnElement[int]:
    return func.sum(case((TrajectoryRow.success, 1), else_=0))
