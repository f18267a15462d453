"""Selects the episodes of an export, and reads them page by page, so that few are in memory at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from a3t_contracts.schemas import Trajectory, TrajectoryKind

from ..phases import Phase
from .database import Store
from .episodes import iter_trajectories
from .listing import EpisodeFilter
from .tables import TrainingMember, TrajectoryRow

__all__ = ["PAGE", "Selection", "count_of", "pages_of", "pair_pages_of", "pairs_count_of"]

PAGE = 100
"""Number of episodes that are in memory at once."""
_COLLECTING = [phase.value for phase in Phase if phase.traits.collects]


@dataclass(frozen=True, slots=True)
class Selection:
    """The episodes of an export: a filter, whether evaluation episodes are included, and the round in whose training
    set they must be."""

    where: EpisodeFilter
    evaluation: bool = True
    trained_in: int | None = None

    def conditions(self, session: Session) -> list[ColumnElement[bool]]:
        """As SQL of the session's database."""
        found = self.where.conditions(session)
        if not self.evaluation:
            found.append(TrajectoryRow.kind != TrajectoryKind.evaluation)
        if self.trained_in is not None:
            members = select(TrainingMember.trajectory_id).where(TrainingMember.round == self.trained_in)
            found.append(TrajectoryRow.id.in_(members.where(TrainingMember.run == TrajectoryRow.run)))
        return found

    def described(self) -> dict[str, Any]:
        """Return the choices that restrict the selection, for messages and fingerprints."""
        where = {name: value for name, value in asdict(self.where).items() if value is not None}
        return (
            where
            | {"evaluation": self.evaluation}
            | ({} if self.trained_in is None else {"trained_in": self.trained_in})
        )


def count_of(session: Session, selection: Selection) -> int:
    """Return the number of selected episodes."""
    query = select(func.count()).select_from(TrajectoryRow).where(*selection.conditions(session))
    return session.scalar(query) or 0


def pages_of(store: Store, selection: Selection, after: int = 0) -> Iterator[tuple[list[Trajectory], int]]:
    """Yield the episodes page by page in the order in which they were stored, each page with the number of its last
    row. The first episode is the one after row number `after`."""
    return _pages(store, selection, after)


def pairs_count_of(session: Session, selection: Selection) -> int:
    """Return the number of failures that may be paired with successes."""
    query = select(func.count()).select_from(TrajectoryRow).where(*selection.conditions(session), *_own_failure())
    return session.scalar(query) or 0


def pair_pages_of(
    store: Store, selection: Selection, after: int = 0
) -> Iterator[tuple[list[tuple[Trajectory, Trajectory]], int]]:
    """Yield pairs (success, failure) of one task, page by page. Each failure of the agent's own trial is paired with
    the composed successes of the same round; if there are none, with every success that the run collected at the task.
    Episodes with equal actions are used once."""
    for failures in _rows(store, selection, after, _own_failure()):
        with store.session() as session:
            partners = _partners(session, failures)
        for failure in failures:  # one failure at a time, so that only its own successes are in memory
            with store.session() as session:
                found = list(iter_trajectories(session, [*partners[failure.id], failure.id]))
            yield [(success, found[-1]) for success in found[:-1]], failure.number


def _pages(store: Store, selection: Selection, after: int) -> Iterator[tuple[list[Trajectory], int]]:
    for rows in _rows(store, selection, after):
        with store.session() as session:
            page = list(iter_trajectories(session, [row.id for row in rows]))
        yield page, rows[-1].number


def _rows(
    store: Store, selection: Selection, after: int, further: Sequence[ColumnElement[bool]] = ()
) -> Iterator[Sequence[Any]]:
    """Yield the keys of the episodes page by page, each page in a separate transaction."""
    query = select(
        TrajectoryRow.number, TrajectoryRow.id, TrajectoryRow.run, TrajectoryRow.task_id, TrajectoryRow.round
    )
    while True:
        with store.session() as session:
            wanted = [*selection.conditions(session), *further, TrajectoryRow.number > after]
            following = query.where(*wanted).order_by(TrajectoryRow.number).limit(PAGE)
            rows = session.execute(following).all()
        if not rows:
            return
        after = rows[-1].number
        yield rows


def _own_failure() -> list[ColumnElement[bool]]:
    return [TrajectoryRow.phase == Phase.rollout, TrajectoryRow.success.is_(False), TrajectoryRow.n_steps > 0]


def _partners(session: Session, failures: Sequence[Any]) -> dict[str, list[str]]:
    """Return for each failure the ids of the successes that it is paired with, the earliest first."""
    query = select(
        TrajectoryRow.id,
        TrajectoryRow.run,
        TrajectoryRow.task_id,
        TrajectoryRow.round,
        TrajectoryRow.phase,
        TrajectoryRow.actions_sha256,
    ).where(
        TrajectoryRow.run.in_({t.run for t in failures}),
        TrajectoryRow.task_id.in_({t.task_id for t in failures}),
        TrajectoryRow.phase.in_(_COLLECTING),
        TrajectoryRow.success,
        TrajectoryRow.n_steps > 0,
    )
    by_task: dict[tuple[str, str], list[Any]] = {}
    for row in session.execute(query.order_by(TrajectoryRow.number)):
        by_task.setdefault((row.run, row.task_id), []).append(row)
    partners = {}
    for failure in failures:
        wins = by_task.get((failure.run, failure.task_id), [])
        composed = [row for row in wins if row.round == failure.round and row.phase == Phase.compose]
        distinct = {row.actions_sha256: row.id for row in reversed(composed or wins)}
        partners[failure.id] = list(reversed(distinct.values()))
    return partners
