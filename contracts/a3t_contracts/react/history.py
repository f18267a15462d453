"""What an agent has seen and done so far in an episode."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..schemas.base import Environment, Schema, TokenIds

__all__ = ["MOST_TURNS", "History", "Turn"]

MOST_TURNS = 1024
"""Turns of a history at most; a session has 1,000 steps at most."""


class Turn(Schema):
    """One finished step: thought (may be missing), action, and the observation that followed."""

    thought: str | None = None
    action: str
    observation: str
    completion: str | None = Field(None, description="Text as generated; null: rendered from thought and action")
    completion_ids: TokenIds | None = Field(None, description="Token ids of `completion` as generated")


class History(Schema):
    """First observation (with the task in it) and the finished turns."""

    environment: Environment
    observation: str
    multiline: bool = Field(False, description="Whether line breaks of observations stay (`EnvironmentInfo.multiline`)")
    turns: Annotated[list[Turn], Field(fail_fast=True)] = Field(default_factory=list, max_length=MOST_TURNS)
    preamble: str = Field("", description="Few-shot prompt in front of everything")
