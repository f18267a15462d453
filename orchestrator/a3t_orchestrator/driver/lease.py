"""Holds a run's lease while its driver works: renews it, and stops the driver where the lease is lost or where a user
asked any process to pause or end the run."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError, ConflictError
from a3t_contracts.schemas import Wanted

from ..phases import Phase
from ..store import (
    DatabaseAwayError,
    Driver,
    FencedStore,
    LeaseLostError,
    PhaseKey,
    Store,
    count_successes,
    driver_of,
    drop_lease,
    get_run,
    phase_counts,
    renew_lease,
    take_lease,
)
from .context import Listener, PhaseState

__all__ = ["LOOK_SECONDS", "Hold", "StopRequestedError", "driving", "follow"]

LOOK_SECONDS = 1.0
"""Seconds between two looks at what is wanted of the run; a short lease has it look more often."""


class StopRequestedError(A3TError):
    """A user asked to pause or to end the run."""

    def __init__(self, wanted: Wanted) -> None:
        super().__init__(f"The run is to be {wanted}.")
        self.wanted = wanted


@dataclass(slots=True)
class Hold:
    """This process's lease of a run. `store` refuses every transaction once the lease is lost."""

    base: Store
    run: str
    seconds: float
    me: Driver = field(default_factory=Driver)
    _body: asyncio.Task[object] | None = None
    _reason: A3TError | None = None

    @property
    def store(self) -> Store:
        """The database, which refuses transactions once the lease is lost."""
        return FencedStore(self.base, self.run, self.me)

    @asynccontextmanager
    async def obeying(self) -> AsyncIterator[None]:
        """Cancel the body of this block when it has to stop. Raises StopRequestedError, LeaseLostError, or
        DatabaseAwayError where the lease could not be renewed."""
        self._body = asyncio.current_task()
        try:
            if self._reason is not None:
                raise self._reason
            yield
        except asyncio.CancelledError:
            if self._reason is None or self._body is None or self._body.uncancel() > 0:
                raise
            raise self._reason from None
        finally:
            self._body = None

    async def keep(self) -> None:
        """Renew the lease and check whether a pause or the end of the run is asked for, until this is cancelled or the
        lease is lost."""
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(min(LOOK_SECONDS, self.seconds / 4))
            due = time.monotonic() - renewed > self.seconds / 4
            try:
                wanted = await self.base.do(partial(self._look, renew=due))
            except (LeaseLostError, DatabaseAwayError) as error:
                self._stop(error)
                return
            if due:
                renewed = time.monotonic()
            if wanted is not Wanted.running:
                self._stop(StopRequestedError(wanted))

    def _look(self, session: Session, renew: bool) -> Wanted:
        if renew and not renew_lease(session, self.run, self.me, self.seconds):
            raise LeaseLostError(f"The run {self.run} is driven by another process now.")
        return Wanted(get_run(session, self.run).wanted)

    def _stop(self, reason: A3TError) -> None:
        if self._reason is None or isinstance(reason, LeaseLostError):
            first = self._reason is None
            self._reason = reason
            if self._body is not None and first:
                self._body.cancel()


@asynccontextmanager
async def driving(store: Store, run: str, seconds: float) -> AsyncIterator[Hold]:
    """Make this process the run's driver inside the block. Raises ConflictError where another process drives the
    run."""
    hold = Hold(store, run, seconds)
    other = await store.do(partial(take_lease, run=run, me=hold.me, seconds=seconds))
    if other is not None:
        raise ConflictError(f"The run {run} is driven by {other.words}.", hint="Wait until it has ended, or stop it.")
    keeper = asyncio.create_task(hold.keep())
    try:
        yield hold
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper
        await store.do(partial(drop_lease, run=run, me=hold.me))


async def follow(store: Store, run: str, listener: Listener, poll_seconds: float = 0.5) -> bool:
    """Show a run that another process drives, until it is finished (returns True) or no process drives it (returns
    False)."""
    other = await store.do(partial(driver_of, run=run))
    if other is not None:
        listener.note(
            0,
            (
                f"{other.words} drives {run} already; this process shows its progress, and takes over if the other one "
                "ends."
            ),
        )
    while await store.do(partial(driver_of, run=run)) is not None:
        state = await store.do(lambda session: _state(session, run))
        if state is not None:
            listener.phase(state)
        await asyncio.sleep(poll_seconds)
    return await store.do(lambda session: get_run(session, run).status == "finished")


def _state(session: Session, run: str) -> PhaseState | None:
    """Return the state of the current phase; None before the first phase."""
    row = get_run(session, run)
    if not row.phase:
        return None
    key = PhaseKey(run, row.round, Phase(row.phase))
    counts = phase_counts(session, key)
    return PhaseState(
        key,
        total=sum(counts.values()) - counts.get("dropped", 0),
        done=counts.get("done", 0),
        lost=counts.get("lost", 0),
        successes=count_successes(session, key),
        seconds=0.0,
    )
