"""Stores what users ask of a run: to pause, continue, end or delete it. The run's driver, in any process, reads it and
follows."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import CursorResult, delete, func, not_, or_, select
from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError
from a3t_contracts.schemas import RunDeleted, RunStatus, Wanted

from .clock import is_over, shared_now
from .leases import driver_of
from .records import add_event, rounds_of
from .runs import extend_run, get_run
from .tables import Event, Job, Round, Run, RunTask, TrainingMember, TrajectoryRow, WorkItem
from .work import revive_lost

__all__ = [
    "delete_run",
    "drop_waiting_work",
    "interrupt_run",
    "request_cancel",
    "request_pause",
    "resume_run",
    "unattended",
]


def request_pause(session: Session, name: str) -> Run:
    """Ask for a pause. A paused run stays paused. Raises ConflictError for a run that is not under way."""
    run = get_run(session, name)
    if run.status == RunStatus.paused:
        run.wanted = Wanted.paused
    elif RunStatus(run.status).active:
        _ask(session, run, Wanted.paused, "pause_requested", "A user asked to pause the run")
    else:
        raise ConflictError(f"The run {name} is {run.status}: there is nothing to pause.")
    return run


def request_cancel(session: Session, name: str) -> Run:
    """Ask for the end of a run. A cancelled run stays cancelled. Raises ConflictError for a finished run."""
    run = get_run(session, name)
    if run.status == RunStatus.finished:
        raise ConflictError(
            f"The run {name} is finished: there is nothing to cancel.", hint=f"`a3t runs delete {name}` removes it."
        )
    if run.status != RunStatus.cancelled:
        _ask(session, run, Wanted.cancelled, "cancel_requested", "A user asked to end the run")
    return run


def resume_run(session: Session, name: str, rounds: int | None = None) -> Run:
    """Continue a run, with more rounds if they are asked for. Episodes that it gave up are tried again.

    Nothing changes for a run that is under way. Raises ConflictError for a finished run without more rounds, and for
    more rounds while the run is driven.
    """
    run = get_run(session, name)
    driven = driver_of(session, name) is not None
    last = int(run.recipe["rounds"])
    if rounds is not None and rounds > last:
        if driven:
            raise ConflictError(f"The run {name} is running.", hint="Ask for more rounds when it has ended.")
        extend_run(session, name, rounds)
    elif run.status == RunStatus.finished:
        raise ConflictError(
            f"The run {name} is finished after round {last}.",
            hint=f"`--rounds {last + 1}` adds a round. Leave --resume out to begin another run.",
        )
    if RunStatus(run.status).active and driven:
        run.wanted = Wanted.running
        return run
    revive_lost(session, name)
    _ask(session, run, Wanted.running, "resumed", "The run continues")
    run.status, run.error, run.finished_at = RunStatus.queued, None, None
    run.details = {k: v for k, v in run.details.items() if k != "problem"}
    return run


def interrupt_run(session: Session, name: str) -> None:
    """Mark a run as interrupted, because the process that it depended on was stopped. It waits for `resume_run`."""
    run = get_run(session, name)
    if RunStatus(run.status).active and driver_of(session, name) is None:
        run.status = RunStatus.interrupted
        add_event(session, name, 0, "interrupted", "The run was interrupted", level="warn")


def unattended(session: Session) -> Sequence[Run]:
    """Return the runs that wait for a driver or whose driver may have died, the oldest first. Their leases are not
    checked."""
    active = (RunStatus.queued, RunStatus.running)
    goes_on = (Run.status == RunStatus.paused) & (Run.wanted == Wanted.running)
    ends = (Run.wanted == Wanted.cancelled) & Run.status.not_in((RunStatus.cancelled, RunStatus.finished))
    query = select(Run).where(or_(Run.status.in_(active), goes_on, ends))
    return session.scalars(query.order_by(Run.created_at, Run.name)).all()


def drop_waiting_work(session: Session, run: str) -> int:
    """Remove the work items that no worker has begun, and return their number. If the run is continued later, it plans
    them again."""
    waiting = WorkItem.state.in_(("pending", "queued"))
    return _count(session.execute(delete(WorkItem).where(WorkItem.run == run, waiting)))


def delete_run(session: Session, name: str) -> RunDeleted:
    """Delete a run and everything that is stored of it, except its adapter versions. Raises ConflictError while it is
    under way or its episodes are being played."""
    run = get_run(session, name)
    if RunStatus(run.status).active or driver_of(session, name) is not None:
        raise ConflictError(f"The run {name} is {run.status}.", hint=f"`a3t runs cancel {name}` ends it first.")
    held = (WorkItem.state == "running") & not_(is_over(shared_now(session)))
    playing = session.scalar(select(func.count()).where(WorkItem.run == name, held))
    if playing:
        raise ConflictError(f"{playing} episodes of {name} are still being played.", hint="Try again in a moment.")
    adapters = list(
        dict.fromkeys(r.version for r in rounds_of(session, name) if r.version and r.version.startswith(f"{name}-r"))
    )
    counts = {
        table: _count(session.execute(delete(table).where(table.run == name)))
        for table in (TrainingMember, TrajectoryRow, WorkItem, Job, Round, RunTask, Event)
    }
    session.execute(delete(Run).where(Run.name == name))
    note = "It published no adapter version."
    if adapters:
        note = "Its adapter versions stay in the registry; `a3t adapters gc` removes old ones."
    return RunDeleted(
        run=name,
        trajectories=counts[TrajectoryRow],
        work_items=counts[WorkItem],
        events=counts[Event],
        adapters=adapters,
        note=note,
    )


def _ask(session: Session, run: Run, wanted: Wanted, kind: str, words: str) -> None:
    if run.wanted != wanted or wanted is Wanted.running:
        run.wanted = wanted
        add_event(session, run.name, run.round, kind, words)


def _count(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
