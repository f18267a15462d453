"""Prometheus metrics of the env service."""

from __future__ import annotations

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["CLOSED", "OPEN", "STARTS", "STEPS"]

OPEN = Gauge("a3t_env_sessions", "Open sessions", multiprocess_mode="livesum")
STARTS = Histogram("a3t_env_start_seconds", "Seconds to start a session", ["environment", "engine"])
STEPS = Counter("a3t_env_steps_total", "Steps made", ["environment", "engine"])
CLOSED = Counter("a3t_env_sessions_closed_total", "Closed sessions: closed, reaped, hung, failed, shutdown", ["why"])
