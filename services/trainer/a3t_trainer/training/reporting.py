"""What a running job says: events and progress, to whoever started it."""

from __future__ import annotations

from typing import Any, Literal, Protocol

from a3t_contracts.schemas.job import Progress

__all__ = ["Reporter"]


class Reporter(Protocol):
    """Where a job's news go."""

    def message(self, text: str, level: Literal["info", "warn", "error"] = "info", **data: Any) -> None:
        """An event for people."""

    def progress(self, progress: Progress) -> None:
        """Where the job stands."""
