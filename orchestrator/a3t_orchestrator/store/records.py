"""Stores and reads rounds, fine-tuning jobs, training sets and events."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from a3t_contracts.schemas import FineTuningJob

from .tables import Event, Job, Round, TrainingMember

__all__ = [
    "add_event",
    "events",
    "get_job",
    "last_events",
    "open_round",
    "rounds_of",
    "save_job",
    "set_training_members",
    "spend",
    "training_counts",
    "training_members",
]


def open_round(session: Session, run: str, number: int) -> Round:
    """Return a round, and create it if it is new."""
    found = session.get(Round, (run, number))
    if found is None:
        found = Round(run=run, round=number, seconds={})
        session.add(found)
        session.flush()
    return found


def rounds_of(session: Session, run: str) -> list[Round]:
    """Return the rounds of a run in order."""
    return list(session.scalars(select(Round).where(Round.run == run).order_by(Round.round)))


def spend(session: Session, run: str, number: int, phase: str, seconds: float) -> None:
    """Add wall-clock seconds to a phase of a round. Seconds of a resumed phase are added to those before."""
    row = open_round(session, run, number)
    row.seconds = row.seconds | {phase: round(row.seconds.get(phase, 0.0) + seconds, 3)}


def get_job(session: Session, run: str, number: int) -> Job | None:
    """Return the fine-tuning job of a round; None if it has none."""
    return session.get(Job, (run, number))


def save_job(session: Session, run: str, number: int, job: FineTuningJob) -> None:
    """Store the state of a job as the trainer reports it."""
    values: dict[str, Any] = {
        "job_id": job.id,
        "version": job.request.version,
        "status": job.status.value,
        "error": job.error,
        "request": job.request.model_dump(mode="json"),
        "progress": job.progress.model_dump(mode="json"),
    }
    row = get_job(session, run, number)
    if row is None:
        session.add(Job(run=run, round=number, **values))
        return
    for key, value in values.items():
        setattr(row, key, value)


def set_training_members(session: Session, run: str, number: int, members: Iterable[tuple[str, bool]]) -> None:
    """Store the training set of a round. `members`: pairs (trajectory id, success)."""
    session.execute(delete(TrainingMember).where(TrainingMember.run == run, TrainingMember.round == number))
    session.add_all(TrainingMember(run=run, round=number, trajectory_id=i, success=s) for i, s in members)


def training_members(session: Session, run: str, number: int) -> list[TrainingMember]:
    """Return the training set of a round."""
    query = select(TrainingMember).where(TrainingMember.run == run, TrainingMember.round == number)
    return list(session.scalars(query.order_by(TrainingMember.trajectory_id)))


def training_counts(session: Session, run: str) -> dict[int, tuple[int, int]]:
    """Return by round the numbers of successes and failures in its training set."""
    query = (
        select(TrainingMember.round, TrainingMember.success, func.count())
        .where(TrainingMember.run == run)
        .group_by(TrainingMember.round, TrainingMember.success)
    )
    counts: dict[int, tuple[int, int]] = {}
    for number, success, count in session.execute(query):
        good, bad = counts.get(number, (0, 0))
        counts[number] = (count, bad) if success else (good, count)
    return counts


def add_event(
    session: Session, run: str, number: int, kind: str, message: str, level: str = "info", **data: Any
) -> None:
    """Store an event; `data` are JSON values."""
    session.add(Event(run=run, round=number, kind=kind, message=message, level=level, data=data))


def events(session: Session, run: str, after: int = 0, limit: int = 200, kind: str | None = None) -> list[Event]:
    """Return events of a run with an id above `after`, the oldest first; with `kind` only events of this kind."""
    query = select(Event).where(Event.run == run, Event.id > after)
    if kind is not None:
        query = query.where(Event.kind == kind)
    return list(session.scalars(query.order_by(Event.id).limit(limit)))


def last_events(session: Session, run: str, limit: int) -> list[Event]:
    """Return the last events of a run, the newest first."""
    return list(session.scalars(select(Event).where(Event.run == run).order_by(Event.id.desc()).limit(limit)))
