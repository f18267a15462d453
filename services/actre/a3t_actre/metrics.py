"""Prometheus metrics of the ActRe service: reasons, failures, seconds, tokens."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

from a3t_contracts.errors import A3TError
from a3t_contracts.schemas import Reason

__all__ = ["REFUSED", "TOKENS", "count_failure", "count_reason"]

_REASONS = Counter("a3t_actre_reasons_total", "Reasons given", ["environment", "annotator", "fallback", "cached"])
_FAILURES = Counter("a3t_actre_failures_total", "Queries without a reason", ["environment", "annotator", "problem"])
_SECONDS = Histogram("a3t_actre_reason_seconds", "Seconds to write a reason", ["annotator"])
TOKENS = Counter("a3t_actre_tokens_total", "Tokens of upstream calls, as counted upstream", ["model", "direction"])
REFUSED = Counter("a3t_actre_attempts_failed_total", "Upstream attempts without a usable reason", ["cause"])


def count_reason(environment: str, reason: Reason) -> None:
    """Count a reason that was written."""
    flags = (str(reason.fallback).lower(), str(reason.cached).lower())
    _REASONS.labels(environment, reason.annotator, *flags).inc()
    _SECONDS.labels(reason.annotator).observe(reason.seconds)


def count_failure(annotator: str, environment: str, error: A3TError) -> None:
    """Count a query that got a problem document."""
    _FAILURES.labels(environment, annotator, error.slug).inc()
