"""Prometheus metrics of the local engine: tokens, seconds, queue, live version."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

if TYPE_CHECKING:
    from .engine.sequence import Sequence

__all__ = ["count_sequence", "show_live", "watch_load"]

_TOKENS = Counter(
    "a3t_policy_tokens_total", "Tokens: prompt (computed), cached (prompt, reused), completion", ["model", "kind"]
)
_SEQUENCES = Counter("a3t_policy_sequences_total", "Sequences that are over", ["model", "finish_reason"])
_SECONDS = Histogram(
    "a3t_policy_sequence_seconds",
    "Seconds from submission to the last token",
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
)
_LOAD = Gauge("a3t_policy_load", "Sequences running or waiting")
_LIVE = Gauge("a3t_policy_live_version", "1 for the version that serves requests that name none", ["model"])


def count_sequence(sequence: Sequence) -> None:
    """Count a sequence that has left the engine."""
    name = sequence.version_name
    _TOKENS.labels(name, "cached").inc(sequence.cached)
    _TOKENS.labels(name, "prompt").inc(
        max(0, min(sequence.done, len(sequence.generation.prompt_ids)) - sequence.cached)
    )
    _TOKENS.labels(name, "completion").inc(len(sequence.ids))
    _SEQUENCES.labels(name, sequence.finish_reason or "cancelled").inc()
    _SECONDS.observe(time.monotonic() - sequence.submitted)


def watch_load(load: Callable[[], int]) -> None:
    """Report the result of `load`, the number of running and waiting sequences, at every scrape."""
    _LOAD.set_function(load)


def show_live(name: str) -> None:
    """Report this version as the only live one."""
    _LIVE.clear()
    _LIVE.labels(name).set(1)
