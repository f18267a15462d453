"""Bounds of what is recorded."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["EpisodeLimits"]


@dataclass(frozen=True, slots=True)
class EpisodeLimits:
    """Bounds of what is kept.

    Args:
        open: open episodes at a time.
        kept: closed episodes; the oldest leave first.
        bytes: size of one episode's file.
        idle_seconds: an open episode unused for so long makes room for a new one.
    """

    open: int = 1000
    kept: int = 10_000
    bytes: int = 64 * 2**20
    idle_seconds: float = 86_400.0
