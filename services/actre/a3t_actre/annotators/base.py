"""The protocol of annotators."""

from __future__ import annotations

from typing import Protocol

from a3t_contracts.schemas import Reason, ReasonQuery
from a3t_contracts.service import Lane

__all__ = ["Annotator", "writing"]

writing = Lane("writing", 2)
"""Threads in which annotators process histories, because long histories take time."""


class Annotator(Protocol):
    """Writes the reason of one action. May be called concurrently."""

    name: str
    model: str | None

    async def reason(self, query: ReasonQuery) -> Reason:
        """Write the reason. Raises an A3TError if there is none."""

    async def check(self) -> None:
        """Raise an A3TError if the annotator cannot take work now."""

    async def aclose(self) -> None:
        """Close connections and files."""
