"""The list of work items. An item is planned, sent, claimed by a worker under a lease, and finally done or given up."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

from sqlalchemy import ColumnElement, CursorResult, Row, Table, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from a3t_contracts.schemas import trajectory_id

from ..phases import Phase
from .clock import is_over, shared_now
from .records import add_event
from .tables import Base, WorkItem, utc_now

__all__ = [
    "ANNOTATION",
    "PhaseKey",
    "Plan",
    "claim",
    "dispatchable",
    "give_back",
    "give_up",
    "has_unsettled",
    "insert_new",
    "insert_returning",
    "lost_items",
    "mark_queued",
    "phase_counts",
    "plan_work",
    "planned_by_task",
    "reclaim_expired",
    "renew",
    "requeue_queued",
    "return_failed",
    "revive_lost",
    "unfinished_phases",
]

ANNOTATION = "annotation"
"""Replaces the kind in the id of an annotation item, because the trajectory itself exists already."""

_MOST_IDS = 10_000
"""Largest number of ids in one statement; PostgreSQL allows 65,535 parameters, SQLite 32,766."""
_DELIVERABLE = ("pending", "queued")
_SETTLED = ("done", "lost", "dropped")


@dataclass(frozen=True, slots=True)
class PhaseKey:
    """A phase of a round of a run."""

    run: str
    round: int
    phase: Phase

    def __post_init__(self) -> None:
        object.__setattr__(self, "phase", Phase(self.phase))


@dataclass(frozen=True, slots=True)
class Plan:
    """An episode to play."""

    task_id: str
    task_type: str
    split: str
    kind: str
    sample: int
    policy_version: str | None


def insert_new(session: Session, table: type[Base], rows: Sequence[dict[str, Any]]) -> int:
    """Insert the rows whose primary key is not there yet, and return their number."""
    return len(insert_returning(session, table, rows, *table.__table__.primary_key))


def insert_returning(
    session: Session, table: type[Base], rows: Sequence[dict[str, Any]], *columns: ColumnElement[Any]
) -> list[Row[*tuple[Any, ...]]]:
    """Insert the rows whose key is not there yet, and return the given columns of the inserted rows."""
    if not rows:
        return []
    insert = sqlite.insert if session.get_bind().dialect.name == "sqlite" else postgresql.insert
    statement = insert(cast(Table, table.__table__)).on_conflict_do_nothing().returning(*columns)
    return list(session.execute(statement, rows).all())  # SQLAlchemy compiles it once and batches the rows


def plan_work(session: Session, key: PhaseKey, plans: Iterable[Plan]) -> int:
    """Add episodes to the work list. Existing ones are not changed. Returns the number of new ones."""
    rows = [
        {
            "id": trajectory_id(key.run, key.round, p.task_id, _id_kind(key, p), p.sample),
            "run": key.run,
            "round": key.round,
            "phase": key.phase,
            "kind": p.kind,
            "split": p.split,
            "task_id": p.task_id,
            "task_type": p.task_type,
            "sample": p.sample,
            "policy_version": p.policy_version,
            "state": "pending",
            "attempts": 0,
            "updated_at": utc_now(),
        }
        for p in plans
    ]
    return insert_new(session, WorkItem, rows)


def phase_counts(session: Session, key: PhaseKey, split: str | None = None) -> dict[str, int]:
    """Return the number of a phase's items by state; with `split` only those of this split."""
    query = select(WorkItem.state, func.count()).where(*_of(key, split)).group_by(WorkItem.state)
    return {row[0]: row[1] for row in session.execute(query)}


def has_unsettled(session: Session, key: PhaseKey) -> bool:
    """Return whether the phase has items that are neither done nor given up."""
    counts = phase_counts(session, key)
    return any(state not in _SETTLED for state in counts)


def planned_by_task(session: Session, key: PhaseKey, split: str | None = None) -> dict[str, int]:
    """Return the number of a phase's items in any state by task; with `split` only those of this split."""
    query = select(WorkItem.task_id, func.count()).where(*_of(key, split)).group_by(WorkItem.task_id)
    return {row[0]: row[1] for row in session.execute(query)}


def dispatchable(session: Session, key: PhaseKey, limit: int = 100_000) -> list[str]:
    """Return the ids of at most `limit` items that wait to be sent. Items of one task are far apart in the order, so
    that all chunks take about the same time."""
    rested = or_(WorkItem.lease_until.is_(None), is_over(shared_now(session)))
    query = select(WorkItem.id).where(*_of(key), WorkItem.state == "pending", rested)
    return list(session.scalars(query.order_by(WorkItem.sample, WorkItem.id).limit(limit)))


def mark_queued(session: Session, ids: Sequence[str]) -> None:
    """Record that the items are in the queue."""
    for start in range(0, len(ids), _MOST_IDS):
        part = WorkItem.id.in_(ids[start : start + _MOST_IDS])
        queued = update(WorkItem).where(part, WorkItem.state == "pending").values(state="queued", worker=None)
        session.execute(queued.execution_options(synchronize_session=False))


def claim(session: Session, ids: Sequence[str], worker: str, lease_seconds: float, deliveries: int) -> list[WorkItem]:
    """Claim items for a worker. Items that are done or claimed by another worker are left out; an item that was
    delivered too often is given up, which an event records."""
    now = shared_now(session)
    free = or_(WorkItem.state.in_(_DELIVERABLE), (WorkItem.state == "running") & is_over(now))
    exhausted = list(
        session.scalars(select(WorkItem).where(WorkItem.id.in_(ids), free, WorkItem.attempts >= deliveries))
    )
    for item in exhausted:
        _bury(session, item, item.error or "its worker died at each attempt")
    taken = session.scalars(
        update(WorkItem)
        .where(WorkItem.id.in_(ids), free, WorkItem.attempts < deliveries)
        .values(
            state="running",
            worker=worker,
            attempts=WorkItem.attempts + 1,
            lease_until=now + timedelta(seconds=lease_seconds),
            updated_at=now,
        )
        .returning(WorkItem.id)
    ).all()
    return list(session.scalars(select(WorkItem).where(WorkItem.id.in_(taken)).order_by(WorkItem.sample, WorkItem.id)))


def renew(session: Session, ids: Sequence[str], worker: str, lease_seconds: float) -> None:
    """Extend the worker's claim on these items."""
    now = shared_now(session)
    session.execute(
        update(WorkItem)
        .where(WorkItem.id.in_(ids), WorkItem.state == "running", WorkItem.worker == worker)
        .values(lease_until=now + timedelta(seconds=lease_seconds), updated_at=now)
    )


def give_back(session: Session, ids: Sequence[str], worker: str) -> None:
    """Put the items of a worker that shuts down back on the work list. This delivery does not count as a failure."""
    session.execute(
        update(WorkItem)
        .where(WorkItem.id.in_(ids), WorkItem.state == "running", WorkItem.worker == worker)
        .values(state="pending", worker=None, lease_until=None, attempts=WorkItem.attempts - 1)
    )


def return_failed(session: Session, item_id: str, error: str, deliveries: int) -> None:
    """Put a failed item back on the work list after a pause that grows; after too many deliveries give it up."""
    item = session.get(WorkItem, item_id)
    if item is None or item.state in _SETTLED:
        return
    item.error = _storable(error)
    if item.attempts >= deliveries:
        _bury(session, item, item.error)
    else:
        pause, now = timedelta(seconds=min(0.5 * 2**item.attempts, 30.0)), shared_now(session)
        item.state, item.worker, item.lease_until, item.updated_at = "pending", None, now + pause, now


def give_up(session: Session, item_id: str, error: str) -> None:
    """Give up an item at once, because no further attempt could succeed."""
    item = session.get(WorkItem, item_id)
    if item is not None and item.state not in _SETTLED:
        _bury(session, item, _storable(error))


def reclaim_expired(session: Session, key: PhaseKey) -> int:
    """Put items whose claim has expired back on the list, and return their number."""
    result = session.execute(
        update(WorkItem)
        .where(*_of(key), WorkItem.state == "running", is_over(shared_now(session)))
        .values(state="pending", worker=None, lease_until=None)
    )
    return result.rowcount if isinstance(result, CursorResult) else 0


def requeue_queued(session: Session, key: PhaseKey) -> int:
    """Put items whose queue entry may be lost back on the list, and return their number."""
    result = session.execute(
        update(WorkItem)
        .where(*_of(key), WorkItem.state == "queued")
        .values(state="pending", worker=None, lease_until=None)
    )
    return result.rowcount if isinstance(result, CursorResult) else 0


def revive_lost(session: Session, run: str) -> int:
    """Put episodes that were given up back on the list, because a user asked for it, and return their number."""
    result = session.execute(
        update(WorkItem)
        .where(WorkItem.run == run, WorkItem.state == "lost")
        .values(state="pending", attempts=0, lease_until=None)
    )
    return result.rowcount if isinstance(result, CursorResult) else 0


def lost_items(session: Session, run: str, number: int | None = None) -> list[WorkItem]:
    """Return the items of episodes that were given up."""
    query = select(WorkItem).where(WorkItem.run == run, WorkItem.state == "lost")
    query = query if number is None else query.where(WorkItem.round == number)
    return list(session.scalars(query.order_by(WorkItem.round, WorkItem.phase, WorkItem.id)))


def unfinished_phases(session: Session, run: str) -> set[tuple[int, str, str]]:
    """Return the triples (round, phase, split) that have unfinished episodes."""
    query = select(WorkItem.round, WorkItem.phase, WorkItem.split).distinct()
    rows = session.execute(query.where(WorkItem.run == run, WorkItem.state.not_in(_SETTLED)))
    return {(number, phase, split) for number, phase, split in rows}


def _storable(error: str) -> str:
    """Return the part of an error text that is stored. NUL characters are removed, because PostgreSQL cannot store
    them."""
    return error[:2000].replace("\0", "\ufffd")


def _bury(session: Session, item: WorkItem, error: str) -> None:
    item.state, item.worker, item.lease_until, item.error = "lost", None, None, error
    add_event(
        session,
        item.run,
        item.round,
        "dead_letter",
        f"{item.phase}: the episode of task {item.task_id} (sample {item.sample}) was given up after {item.attempts} "
        f"{'delivery' if item.attempts == 1 else 'deliveries'}: {error}",
        level="warn",
        item=item.id,
        phase=item.phase,
        task_id=item.task_id,
        sample=item.sample,
        attempts=item.attempts,
    )


def _of(key: PhaseKey, split: str | None = None) -> tuple[Any, ...]:
    phase = (WorkItem.run == key.run, WorkItem.round == key.round, WorkItem.phase == key.phase)
    return phase if split is None else (*phase, WorkItem.split == split)


def _id_kind(key: PhaseKey, plan: Plan) -> str:
    return ANNOTATION if key.phase is Phase.annotate else plan.kind
