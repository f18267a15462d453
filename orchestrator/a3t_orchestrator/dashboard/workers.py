"""Reads the state of workers and queues from Celery and Redis."""

from __future__ import annotations

from dataclasses import dataclass, field

from redis.exceptions import RedisError

from ..queue import configure, queue_lengths
from ..settings import OrchestratorSettings

__all__ = ["QueueState", "WorkerState", "queue_state"]

_PATIENCE = 0.8


@dataclass(frozen=True, slots=True)
class WorkerState:
    """A worker that answered."""

    name: str
    slots: int
    busy: int
    uptime: float
    done: int


@dataclass(frozen=True, slots=True)
class QueueState:
    """The queues' lengths and the workers; `trouble` says why they are not known."""

    lengths: dict[str, int] = field(default_factory=dict)
    workers: list[WorkerState] = field(default_factory=list)
    trouble: str = ""


def queue_state(settings: OrchestratorSettings) -> QueueState:
    """Ask Redis for the lengths of the queues, and every worker for its state. This takes about a second, because
    absent workers are only noticed by waiting."""
    if not settings.redis_url:
        return QueueState(trouble="The address of the queue is not known. Set A3T_REDIS_URL.")
    try:
        lengths = queue_lengths(settings.redis_url)
        inspect = configure(settings).control.inspect(timeout=_PATIENCE)
        stats, active = inspect.stats() or {}, inspect.active() or {}
    except (RedisError, OSError) as error:
        return QueueState(trouble=f"The queue cannot be reached: {error}")
    workers = [
        WorkerState(
            name=name,
            slots=int(told.get("pool", {}).get("max-concurrency", 0)),
            busy=len(active.get(name, [])),
            uptime=float(told.get("uptime", 0)),
            done=sum((told.get("total") or {}).values()),
        )
        for name, told in sorted(stats.items())
    ]
    return QueueState(lengths, workers)
