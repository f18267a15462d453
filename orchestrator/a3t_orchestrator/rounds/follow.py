"""Watching a run that another process drives."""

from __future__ import annotations

import asyncio

from ..store import PhaseKey, Store, get_run, phase_counts
from .context import Listener, PhaseState
from .driver import driver_of

__all__ = ["follow"]


async def follow(store: Store, run: str, listener: Listener, poll_seconds: float = 0.5) -> bool:
    """Show the run until it is finished (True), or until its driver is gone and it is not (False)."""
    other = driver_of(store, run)
    if other is not None:
        listener.note(
            0, f"Process {other.pid} drives {run} already; this one watches, and takes over if that one ends."
        )
    while driver_of(store, run) is not None:
        listener.phase(_state(store, run))
        await asyncio.sleep(poll_seconds)
    with store.session() as session:
        return get_run(session, run).status == "finished"


def _state(store: Store, run: str) -> PhaseState:
    with store.session() as session:
        row = get_run(session, run)
        key = PhaseKey(run, row.round, row.phase)
        counts = phase_counts(session, key)
    return PhaseState(
        key,
        total=sum(counts.values()),
        done=counts.get("done", 0),
        lost=counts.get("lost", 0),
        successes=0,
        seconds=0.0,
    )
