"""Limits of recorded episodes."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EpisodeLimits"]


@dataclass(frozen=True, slots=True)
class EpisodeLimits:
    """Limits of recorded episodes.

    Args:
        open: largest number of open episodes.
        kept: number of closed episodes that are kept; the oldest are deleted.
        bytes: largest size of one episode's file, in bytes.
        idle_seconds: seconds without use after which an open episode may be deleted to make room for a new one.
    """

    open: int = 1000
    kept: int = 10_000
    bytes: int = 64 * 2**20
    idle_seconds: float = 86_400.0
