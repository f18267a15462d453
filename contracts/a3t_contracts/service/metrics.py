"""The request metrics of every service, and their text for Prometheus."""

from __future__ import annotations

import functools
import os

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.types import Scope

from .lane import Lane

__all__ = ["count_request", "metrics_text"]

_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""HTTP methods that are counted by name. Others are counted together, so that clients cannot fill the memory with
names."""
_REQUESTS = Counter("a3t_http_requests_total", "HTTP requests", ["service", "route", "method", "status"])
_SECONDS = Histogram("a3t_http_request_seconds", "Seconds to answer", ["service", "route"])
_lane = Lane("metrics", 1)


def count_request(service: str, scope: Scope, status: int, seconds: float) -> None:
    """Count an answered request and its duration in seconds."""
    route = getattr(scope.get("route"), "path", "unmatched")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    requests, durations = _metrics(service, route, method, status)
    requests.inc()
    durations.observe(seconds)


async def metrics_text() -> bytes:
    """Return all metrics in Prometheus's format. A thread collects them, because some metrics are read from files or
    Redis."""
    return await _lane(lambda: generate_latest(_metrics_registry()))


def _metrics_registry() -> CollectorRegistry:
    """Return the metrics of this process, or of all processes that write to the folder PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


@functools.lru_cache(maxsize=1024)
def _metrics(service: str, route: str, method: str, status: int) -> tuple[Counter, Histogram]:
    """Return the counter and the histogram of these labels. They are cached, because looking them up takes longer than
    counting."""
    return _REQUESTS.labels(service, route, method, status), _SECONDS.labels(service, route)
