"""The lease of a run in the database. It is taken, renewed and given up by compare-and-set, and checked in every
transaction of its holder, so that a driver that lost its lease writes nothing more."""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import psutil
from sqlalchemy import CursorResult, select, update
from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError

from .clock import is_held, shared_now
from .database import Store
from .tables import RunLease
from .work import insert_new

__all__ = ["Driver", "FencedStore", "LeaseLostError", "driver_of", "drivers", "drop_lease", "renew_lease", "take_lease"]

_NEVER = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLostError(ConflictError):
    """Another process drives the run now; this process must write nothing more."""


@cache
def _this_machine() -> str:
    """Return host name, boot id and process namespace. Where these are equal, process ids mean the same processes."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:  # not Linux, so there are no containers that share a kernel
        parts.append(f"{uuid.getnode():x}")
    return "/".join(parts)[:255]


@dataclass(frozen=True, slots=True)
class Driver:
    """A process as the holder of one lease. `holder` is a value that is never used twice, because replicas in
    containers may have the same host name and process id."""

    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    machine: str = field(default_factory=_this_machine)
    pid: int = field(default_factory=os.getpid)
    created: float = field(default_factory=lambda: _created(os.getpid()) or 0.0)

    @property
    def words(self) -> str:
        """Return the driver in words: `process 12 on host`."""
        return f"process {self.pid} on {self.machine.partition('/')[0]}"

    @property
    def is_dead(self) -> bool:
        """Return whether the process is known to have ended. For a process on another machine or in another container
        this is False."""
        if self.machine != _this_machine():
            return False
        created = _created(self.pid)
        return created is None or abs(created - self.created) >= 1.0


def take_lease(session: Session, run: str, me: Driver, seconds: float) -> Driver | None:
    """Make `me` the driver of a run for `seconds` seconds. Returns None if that succeeded, else the present driver."""
    insert_new(session, RunLease, [{"run": run, "until": _NEVER}])
    now = shared_now(session)
    row = session.get_one(RunLease, run, populate_existing=True)
    seen = _of(row)
    if row.holder and row.holder != me.holder and is_held(row.until, now) and not seen.is_dead:
        return seen
    taken = session.execute(
        update(RunLease)
        .where(RunLease.run == run, RunLease.holder == row.holder, RunLease.until == row.until)
        .values(
            holder=me.holder,
            machine=me.machine,
            pid=me.pid,
            created=me.created,
            until=now + timedelta(seconds=seconds),
        )
        .execution_options(synchronize_session=False)
    )
    if _rows(taken) == 1:
        return None
    return _of(session.get_one(RunLease, run, populate_existing=True))


def renew_lease(session: Session, run: str, me: Driver, seconds: float) -> bool:
    """Extend the lease. Returns False if `me` no longer holds it."""
    renewed = session.execute(
        update(RunLease)
        .where(RunLease.run == run, RunLease.holder == me.holder)
        .values(until=shared_now(session) + timedelta(seconds=seconds))
        .execution_options(synchronize_session=False)
    )
    return _rows(renewed) == 1


def drop_lease(session: Session, run: str, me: Driver) -> None:
    """Give up the lease, so that the next driver need not wait for its end."""
    session.execute(
        update(RunLease)
        .where(RunLease.run == run, RunLease.holder == me.holder)
        .values(holder="", until=_NEVER)
        .execution_options(synchronize_session=False)
    )


def driver_of(session: Session, run: str) -> Driver | None:
    """Return the driver of a run; None if no process drives it, its lease has ended, or its process has ended."""
    row = session.get(RunLease, run, populate_existing=True)
    return None if row is None else _living(row, shared_now(session))


def drivers(session: Session) -> dict[str, Driver]:
    """Return the drivers of all runs that are driven now, by run."""
    now = shared_now(session)
    query = select(RunLease).where(RunLease.holder != "", RunLease.until >= now)
    held = session.scalars(query.execution_options(populate_existing=True))
    found = {row.run: _living(row, now) for row in held}
    return {run: driver for run, driver in found.items() if driver is not None}


def _living(row: RunLease, now: datetime) -> Driver | None:
    if not row.holder or not is_held(row.until, now):
        return None
    found = _of(row)
    return None if found.is_dead else found


class FencedStore(Store):
    """The store of a driver. Every transaction first checks that the driver still holds the lease, and prevents others
    from taking it until the transaction has ended. Raises LeaseLostError if the lease is lost."""

    def __init__(self, store: Store, run: str, me: Driver) -> None:
        self.url, self.patience, self.engine = store.url, store.patience, store.engine
        self._sessions = store._sessions
        self._run, self._me = run, me

    @contextmanager
    def session(self) -> Iterator[Session]:
        """Open a transaction of the driver. Raises LeaseLostError if the run has another driver."""
        with super().session() as session:
            if not self._holds(session):
                raise LeaseLostError(f"The run {self._run} is driven by another process now.")
            yield session

    def _holds(self, session: Session) -> bool:
        if session.get_bind().dialect.name == "sqlite":  # SQLite has no row locks: a write locks the whole database
            mine = update(RunLease).where(RunLease.run == self._run, RunLease.holder == self._me.holder)
            touched = session.execute(mine.values(holder=self._me.holder).execution_options(synchronize_session=False))
            return _rows(touched) == 1
        query = select(RunLease.holder).where(RunLease.run == self._run).with_for_update(read=True)
        return session.scalar(query) == self._me.holder


def _of(row: RunLease) -> Driver:
    return Driver(row.holder, row.machine, row.pid, row.created)


def _created(pid: int) -> float | None:
    """Return the start time of a process; None if there is none of this id."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.NoSuchProcess:
        return None


def _rows(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
