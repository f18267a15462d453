"""The clock of leases and pauses. All processes share it, and the code allows for a clock that goes back."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from .tables import WorkItem, utc_now

__all__ = ["is_held", "is_over", "shared_now"]

_JUMP = timedelta(seconds=60)
"""A time stamp that is further in the future than this was written before the clock went back."""
_LONGEST_RUN_LEASE = timedelta(minutes=10)
"""A run's lease that ends later than this was taken before the clock went back."""


def shared_now(session: Session) -> datetime:
    """Return the time of the clock that all processes share. With PostgreSQL that is the server's clock, so that the
    clocks of several machines need not agree. With SQLite all processes are on one machine."""
    if session.get_bind().dialect.name != "postgresql":
        return utc_now()
    now: datetime = session.scalar(select(func.clock_timestamp())) or utc_now()
    return now


def is_over(now: datetime) -> ColumnElement[bool]:
    """Return the condition that a work item's claim, or its pause, has ended. A claim from before the clock went back
    also counts as ended; otherwise it would last longer by the jump."""
    return or_(WorkItem.lease_until < now, WorkItem.updated_at > now + _JUMP)


def is_held(until: datetime, now: datetime) -> bool:
    """Return whether a run's lease is still valid."""
    return now <= until <= now + _LONGEST_RUN_LEASE
