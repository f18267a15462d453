"""Reads which workers have claimed episodes now, and which processes drive runs."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from .clock import is_over, shared_now
from .leases import drivers
from .tables import WorkItem

__all__ = ["WorkerLoad", "drivers_now", "worker_loads"]


@dataclass(frozen=True, slots=True)
class WorkerLoad:
    """Numbers of episodes of a run that a worker has claimed."""

    worker: str
    run: str
    episodes: int
    silent: int
    """Number of episodes whose claim has expired, because the worker has not renewed it."""


def worker_loads(session: Session) -> list[WorkerLoad]:
    """Return the claimed episodes of each worker, by run."""
    expired = func.sum(case((is_over(shared_now(session)), 1), else_=0))
    query = (
        select(WorkItem.worker, WorkItem.run, func.count(), expired)
        .where(WorkItem.state == "running", WorkItem.worker.is_not(None))
        .group_by(WorkItem.worker, WorkItem.run)
        .order_by(WorkItem.worker, WorkItem.run)
    )
    return [WorkerLoad(str(worker), run, count, late or 0) for worker, run, count, late in session.execute(query)]


def drivers_now(session: Session) -> dict[str, str]:
    """Return host and process of each run's driver, by run."""
    return {run: driver.words for run, driver in sorted(drivers(session).items())}
