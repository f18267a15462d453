"""Prometheus metrics of a worker's episodes."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

__all__ = ["EPISODES", "IN_HAND"]

EPISODES = Counter(
    "a3t_worker_episodes_total",
    "Episodes (or annotations) that a worker has ended, by outcome: done or failed",
    ["phase", "outcome"],
)
IN_HAND = Gauge("a3t_worker_in_hand", "Episodes (or annotations) that a worker is playing or writing now")
