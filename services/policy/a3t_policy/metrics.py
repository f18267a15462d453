"""Prometheus metrics of the local engine: tokens, seconds, queue, live version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import Counter, Gauge, Histogram

__all__ = ["Usage", "count_sequence", "show_live", "watch_load"]

_TOKENS = Counter(
    "a3t_policy_tokens_total", "Tokens: prompt (computed), cached (prompt, reused), completion", ["model", "kind"]
)
_SEQUENCES = Counter("a3t_policy_sequences_total", "Sequences that have ended", ["model", "finish_reason"])
_SECONDS = Histogram(
    "a3t_policy_sequence_seconds",
    "Seconds from submission to the last token",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_LOAD = Gauge("a3t_policy_load", "Sequences running or waiting")
_LIVE = Gauge("a3t_policy_live_version", "1 for the version that serves requests that name none", ["model"])


@dataclass(frozen=True, slots=True)
class Usage:
    """What an ended sequence took: prompt tokens that were computed, prompt tokens that were cached, generated
    tokens, and seconds since it was submitted.
    """

    model: str
    finish_reason: str
    prompt: int
    cached: int
    completion: int
    seconds: float


def count_sequence(usage: Usage) -> None:
    """Count a sequence that has ended."""
    _TOKENS.labels(usage.model, "cached").inc(usage.cached)
    _TOKENS.labels(usage.model, "prompt").inc(usage.prompt)
    _TOKENS.labels(usage.model, "completion").inc(usage.completion)
    _SEQUENCES.labels(usage.model, usage.finish_reason).inc()
    _SECONDS.observe(usage.seconds)


def watch_load(load: Callable[[], int]) -> None:
    """Report the result of `load`, the number of running and waiting sequences, at every scrape."""
    _LOAD.set_function(load)


def show_live(name: str) -> None:
    """Report this version as the only live one."""
    _LIVE.clear()
    _LIVE.labels(name).set(1)
