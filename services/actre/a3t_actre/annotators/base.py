"""The protocol of annotators."""

from __future__ import annotations

from typing import Protocol

from a3t_contracts.schemas import Reason, ReasonQuery
from a3t_contracts.service import Lane

__all__ = ["Annotator", "writing"]

writing = Lane("writing", 2)
"""Where annotators go through histories: Python that grows with their length."""


class Annotator(Protocol):
    """Writes the reason of one action. Safe to call many times at once."""

    name: str
    model: str | None

    async def reason(self, query: ReasonQuery) -> Reason:
        """Raises an A3TError where no reason can be given."""

    async def check(self) -> None:
        """Raises an A3TError where the annotator cannot take work now."""

    async def aclose(self) -> None:
        """Give back connections and files."""
