"""What an agent has seen and done so far in an episode."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..schemas.base import Environment, Schema, TokenIds

__all__ = ["MOST_TURNS", "History", "Turn"]

MOST_TURNS = 1024
"""Turns of a history at most; a session has 1,000 steps at most."""


class Turn(Schema):
    """One finished step: the thought, the action, and the observation that followed."""

    thought: str | None = Field(None, description="The thought; null where there was none")
    action: str = Field(description="The action in the words of the environment")
    observation: str = Field(description="What the agent saw after the action")
    completion: str | None = Field(
        None, description="Text of the turn as the policy generated it; null to render it from thought and action"
    )
    completion_ids: TokenIds | None = Field(
        None, description="Ids of the tokens of `completion`; null where they are not known"
    )


class History(Schema):
    """What an agent has seen and done so far in an episode."""

    environment: Environment = Field(description="Environment of the episode")
    observation: str = Field(description="First observation, with the task in it")
    multiline: bool = Field(False, description="Whether the agent reads observations with their line breaks")
    turns: Annotated[list[Turn], Field(fail_fast=True)] = Field(
        default_factory=list, max_length=MOST_TURNS, description="The finished steps in order"
    )
    preamble: str = Field(
        "", description="Prompt in front of the first observation, for example a worked example; empty for none"
    )
