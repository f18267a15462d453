"""The lease of a run: one process at a time may drive it; it renews the lease, and others see when it expired."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from functools import partial

import psutil
from pydantic import AwareDatetime, BaseModel
from sqlalchemy.orm import Session

from a3t_contracts.errors import ConflictError

from ..phases import Phase
from ..store import PhaseKey, Store, count_successes, get_run, phase_counts, utc_now
from .context import Listener, PhaseState

__all__ = ["Driver", "driver_of", "driving", "follow"]

_LEASE = timedelta(seconds=60)
_RENEW_SECONDS = 10.0


class Driver(BaseModel):
    """The process that drives a run, as the run's row says."""

    host: str
    pid: int
    created: float
    until: AwareDatetime

    @classmethod
    def this(cls) -> Driver:
        """This process, as a driver whose lease begins now."""
        created = psutil.Process().create_time()
        return cls(host=socket.gethostname(), pid=os.getpid(), created=created, until=utc_now() + _LEASE)

    @property
    def is_this(self) -> bool:
        """Whether the driver is this process."""
        return (self.host, self.pid) == (socket.gethostname(), os.getpid())

    def lives(self) -> bool:
        """Whether the driver still runs. On this machine its process is checked; one on another machine counts as
        running until its lease ends."""
        if self.host != socket.gethostname():
            return utc_now() < self.until
        try:
            return abs(psutil.Process(self.pid).create_time() - self.created) < 1.0
        except psutil.NoSuchProcess:
            return False


def driver_of(store: Store, run: str) -> Driver | None:
    """The process that drives a run now, other than this one; None where there is none."""
    with store.session() as session:
        return _driver_of(session, run)


@asynccontextmanager
async def driving(store: Store, run: str) -> AsyncIterator[None]:
    """Make this process the run's driver inside the block. Raises ConflictError where another process is."""
    other = await store.do(lambda session: _driver_of(session, run))
    if other is not None:
        raise ConflictError(
            f"The run {run} is driven by process {other.pid} on {other.host}.", hint="Wait, or stop it."
        )
    await store.do(partial(_write, run=run, driver=Driver.this()))
    keeper = asyncio.create_task(_keep(store, run))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await store.do(partial(_write, run=run, driver=None))


async def follow(store: Store, run: str, listener: Listener, poll_seconds: float = 0.5) -> bool:
    """Show a run that another process drives, until it is finished (True) or that process is gone (False)."""
    other = await store.do(lambda session: _driver_of(session, run))
    if other is not None:
        listener.note(
            0, f"Process {other.pid} drives {run} already; this one watches, and takes over if that one ends."
        )
    while await store.do(lambda session: _driver_of(session, run)) is not None:
        state = await store.do(lambda session: _state(session, run))
        if state is not None:
            listener.phase(state)
        await asyncio.sleep(poll_seconds)
    return await store.do(lambda session: get_run(session, run).status == "finished")


async def _keep(store: Store, run: str) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        await store.do(partial(_write, run=run, driver=Driver.this()))


def _driver_of(session: Session, run: str) -> Driver | None:
    found = get_run(session, run).details.get("driver")
    driver = Driver.model_validate(found) if found else None
    return driver if driver is not None and not driver.is_this and driver.lives() else None


def _write(session: Session, run: str, driver: Driver | None) -> None:
    row = get_run(session, run)
    rest = {k: v for k, v in row.details.items() if k != "driver"}
    row.details = rest | ({"driver": driver.model_dump(mode="json")} if driver else {})


def _state(session: Session, run: str) -> PhaseState | None:
    """How far the phase under way is; None before the first."""
    row = get_run(session, run)
    if not row.phase:
        return None
    key = PhaseKey(run, row.round, Phase(row.phase))
    counts = phase_counts(session, key)
    return PhaseState(
        key,
        total=sum(counts.values()),
        done=counts.get("done", 0),
        lost=counts.get("lost", 0),
        successes=count_successes(session, key),
        seconds=0.0,
    )
