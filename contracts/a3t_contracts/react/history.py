"""What an agent has seen and done so far in an episode."""

from __future__ import annotations

from pydantic import Field

from ..schemas.base import Environment, Schema

__all__ = ["History", "Turn"]


class Turn(Schema):
    """One finished step: thought (may be missing), action, and the observation that followed."""

    thought: str | None = None
    action: str
    observation: str
    completion: str | None = Field(None, description="Text as generated; null: rendered from thought and action")
    completion_ids: list[int] | None = Field(None, description="Token ids of `completion` as generated")


class History(Schema):
    """First observation (with the task in it) and the finished turns."""

    environment: Environment
    observation: str
    multiline: bool = Field(False, description="Whether line breaks of observations stay (`EnvironmentInfo.multiline`)")
    turns: list[Turn] = Field(default_factory=list)
    preamble: str = Field("", description="Few-shot prompt in front of everything")
