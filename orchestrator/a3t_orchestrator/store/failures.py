"""Lists, retries and drops episodes that were given up."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError, NotFoundError
from a3t_contracts.schemas import Failure, RunStatus

from .records import add_event, open_round
from .runs import get_run
from .tables import WorkItem

__all__ = ["count_failures", "drop_failure", "list_failures", "retry_failure"]


def list_failures(session: Session, run: str | None = None, limit: int = 100, offset: int = 0) -> list[Failure]:
    """Return the episodes that were given up, the newest first. Raises NotFoundError for an unknown run."""
    if run is not None:
        get_run(session, run)
    query = select(WorkItem).where(*_lost(run)).order_by(WorkItem.updated_at.desc(), WorkItem.id)
    return [_failure(item) for item in session.scalars(query.limit(limit).offset(offset))]


def count_failures(session: Session, run: str | None = None) -> int:
    """Return how many episodes were given up."""
    return session.scalar(select(func.count()).select_from(WorkItem).where(*_lost(run))) or 0


def retry_failure(session: Session, item_id: str) -> Failure:
    """Put an episode that was given up back on the work list, with its number of attempts reset.

    Raises NotFoundError, and ConflictError if the run has continued without the episode: its round is finished, or
    another phase is under way.
    """
    item = _get(session, item_id)
    run = get_run(session, item.run)
    if open_round(session, item.run, item.round).status == "finished":
        raise ConflictError(
            f"Round {item.round} of {item.run} is finished without the episode {item_id}.",
            hint="A finished round cannot be changed. `a3t failures drop` takes the episode off the list.",
        )
    if RunStatus(run.status).active and (run.round, run.phase) != (item.round, item.phase):
        raise ConflictError(
            f"The run {item.run} is in the phase {run.phase} of round {run.round} already.",
            hint=f"`a3t runs pause {item.run}`, then try again: the resumed run plays the episode first.",
        )
    told = _failure(item)
    item.state, item.attempts, item.lease_until, item.worker = "pending", 0, None, None
    add_event(
        session,
        item.run,
        item.round,
        "retried",
        f"{item.phase}: the episode of task {item.task_id} will be tried again",
        item=item_id,
    )
    return told


def drop_failure(session: Session, item_id: str) -> Failure:
    """Drop an episode: it is no longer listed, counted or tried again. Raises NotFoundError."""
    item = _get(session, item_id)
    told = _failure(item)
    item.state = "dropped"
    add_event(
        session,
        item.run,
        item.round,
        "dropped",
        f"{item.phase}: the episode of task {item.task_id} was dropped; the run continues without it",
        item=item_id,
    )
    return told


def _get(session: Session, item_id: str) -> WorkItem:
    item = session.get(WorkItem, item_id)
    if item is None or item.state != "lost":
        raise NotFoundError(
            f"No episode {item_id!r} was given up.", hint="`a3t failures list` lists the episodes that were."
        )
    return item


def _lost(run: str | None) -> Sequence[ColumnElement[bool]]:
    lost = WorkItem.state == "lost"
    return [lost] if run is None else [lost, WorkItem.run == run]


def _failure(item: WorkItem) -> Failure:
    return Failure(
        id=item.id,
        run=item.run,
        round=item.round,
        phase=item.phase,
        kind=item.kind,
        split=item.split,
        task_id=item.task_id,
        task_type=item.task_type,
        sample=item.sample,
        attempts=item.attempts,
        reason=item.error or "no reason was recorded",
        at=item.updated_at,
    )
