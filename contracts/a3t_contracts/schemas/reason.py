"""The contract of the ActRe service: act first, the reason after the fact."""

from __future__ import annotations

from pydantic import Field

from ..errors import Problem
from ..react.history import History
from .base import Schema

__all__ = ["Reason", "ReasonQuery", "ReasonsReply", "ReasonsRequest"]


class ReasonQuery(Schema):
    """Why was `action` taken, given what was visible before it?"""

    history: History
    action: str = Field(min_length=1, max_length=4096)


class ReasonsRequest(Schema):
    """Up to 256 queries; `annotator` null takes the service's default."""

    queries: list[ReasonQuery] = Field(min_length=1, max_length=256)
    annotator: str | None = Field(None, description="template, llm, or an installed plug-in")


class Reason(Schema):
    reason: str
    annotator: str = Field(description="Which annotator wrote it: template, llm, or a plug-in")
    model: str | None = None
    fallback: bool = Field(False, description="True where the first choice failed and another one wrote it")
    cached: bool = False
    seconds: float = 0.0


class ReasonsReply(Schema):
    """In the order of the request; a query that failed has its problem in place of a reason."""

    results: list[Reason | Problem]
