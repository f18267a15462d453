"""Schemas of the ActRe service: the action comes first, ActRe writes the reason for it afterwards."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..errors import Problem
from .base import Schema
from .origin import Origin
from .trajectory import History

__all__ = ["LONGEST_EXAMPLE", "Reason", "ReasonQuery", "ReasonsReply", "ReasonsRequest"]


LONGEST_EXAMPLE = 65_536
"""Largest number of characters of a worked episode in a query."""


class ReasonQuery(Schema):
    """A question to ActRe: why was `action` taken, given what the agent saw before it?"""

    history: History = Field(description="What the agent had seen and done before the action")
    action: str = Field(min_length=1, max_length=4096, description="The action to explain")
    about: str = Field(
        "", max_length=8192, description="What the environment is (`EnvironmentInfo.about`), for the prompt of an LLM"
    )
    example: str = Field(
        "",
        max_length=LONGEST_EXAMPLE,
        description="A worked episode of the environment in the ReAct format (`EnvironmentInfo.example`), for a "
        "general prompt; empty shows one from another environment",
    )
    origin: Origin | None = Field(None, description="Episode that the question belongs to, for logs and traces")


class ReasonsRequest(Schema):
    """Questions that are answered together."""

    queries: Annotated[list[ReasonQuery], Field(fail_fast=True)] = Field(
        min_length=1, max_length=256, description="The questions: 1 to 256"
    )
    annotator: str | None = Field(
        None,
        description="Which annotator writes the reasons: `llm`, `template` or an installed plug-in; null takes the "
        "default of the service",
    )


class Reason(Schema):
    """The reason of one action."""

    reason: str = Field(description="The reason, as a thought of the agent")
    purpose: bool = Field(
        True,
        description="Whether the reason says what the action is good for. The template annotator answers false for "
        "an action in which it sees no purpose; an LLM's reasons always count as true",
    )
    annotator: str = Field(description="Which annotator wrote it: `llm`, `template` or a plug-in")
    model: str | None = Field(None, description="Model that wrote it; null where no model did")
    fallback: bool = Field(
        False, description="Whether the annotator that was asked failed and the next one wrote the reason"
    )
    cached: bool = Field(False, description="Whether the reason comes from the cache")
    seconds: float = Field(0.0, description="Seconds that the reason took")


class ReasonsReply(Schema):
    """Reasons in the order of the request. A query that failed has a problem document in place of a reason."""

    results: list[Reason | Problem] = Field(description="One reason or problem document for each query")
