"""Prometheus metrics of the env service."""

from __future__ import annotations

import functools

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["CLOSED", "OPEN", "REPLAYS", "STARTS", "steps"]

OPEN = Gauge("a3t_env_sessions", "Open sessions", multiprocess_mode="livesum")
STARTS = Histogram("a3t_env_start_seconds", "Seconds to start a session", ["environment", "engine"])
_STEPS = Counter("a3t_env_steps_total", "Steps made", ["environment", "engine"])
REPLAYS = Counter("a3t_env_remote_replays_total", "Episodes that a remote lost and that were repeated", ["environment"])
CLOSED = Counter(
    "a3t_env_sessions_closed_total", "Closed sessions: closed, reaped, restarted, hung, failed, shutdown", ["why"]
)


@functools.lru_cache(maxsize=64)
def steps(environment: str, engine: str) -> Counter:
    """The counter of steps. It is cached, because looking up its labels takes longer than counting."""
    return _STEPS.labels(environment, engine)
