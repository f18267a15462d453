"""Who drives a run: one process at a time, told from a later one with the same id, or by a lease from elsewhere."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta

import psutil
from pydantic import AwareDatetime, BaseModel

from a3t_contracts.errors import ConflictError

from ..store import Store, get_run, utc_now

__all__ = ["Driver", "driver_of", "driving"]

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
        """This process, from now on for a lease."""
        created = psutil.Process().create_time()
        return cls(host=socket.gethostname(), pid=os.getpid(), created=created, until=utc_now() + _LEASE)

    @property
    def is_this(self) -> bool:
        """Whether it is this very process."""
        return (self.host, self.pid) == (socket.gethostname(), os.getpid())

    def lives(self) -> bool:
        """Whether it still drives: known on this machine, believed of another one until its lease ends."""
        if self.host != socket.gethostname():
            return utc_now() < self.until
        try:
            return abs(psutil.Process(self.pid).create_time() - self.created) < 1.0
        except psutil.NoSuchProcess:
            return False


def driver_of(store: Store, run: str) -> Driver | None:
    """Who drives a run now, other than this process."""
    with store.session() as session:
        found = get_run(session, run).details.get("driver")
    driver = Driver.model_validate(found) if found else None
    return driver if driver is not None and not driver.is_this and driver.lives() else None


@asynccontextmanager
async def driving(store: Store, run: str) -> AsyncIterator[None]:
    """Be the run's driver. Raises ConflictError where another process is."""
    other = driver_of(store, run)
    if other is not None:
        raise ConflictError(
            f"The run {run} is driven by process {other.pid} on {other.host}.", hint="Wait, or stop it."
        )
    _write(store, run, Driver.this())
    keeper = asyncio.create_task(_keep(store, run))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        _write(store, run, None)


async def _keep(store: Store, run: str) -> None:
    while True:
        await asyncio.sleep(_RENEW_SECONDS)
        await asyncio.to_thread(_write, store, run, Driver.this())


def _write(store: Store, run: str, driver: Driver | None) -> None:
    with store.session() as session:
        row = get_run(session, run)
        rest = {k: v for k, v in row.details.items() if k != "driver"}
        row.details = rest | ({"driver": driver.model_dump(mode="json")} if driver else {})
