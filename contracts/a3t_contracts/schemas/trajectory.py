"""Schema of a trajectory: one episode with its steps, reward and where each thought and action came from."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from .base import Environment, Name, Schema, TokenIds

__all__ = [
    "MOST_TURNS",
    "History",
    "PromptStyle",
    "Proposer",
    "ReasonBy",
    "Source",
    "Step",
    "StopReason",
    "Trajectory",
    "TrajectoryKind",
    "Trigger",
    "Turn",
    "trajectory_id",
]

MOST_TURNS = 1024
"""Largest number of turns in a history. A session has at most 1,000 steps."""


class Source(StrEnum):
    """Who chose the action of a step."""

    policy = "policy"
    sampled = "sampled"
    expert = "expert"
    imported = "imported"


class ReasonBy(StrEnum):
    """Who wrote the thought of a step."""

    policy = "policy"
    actre = "actre"
    none = "none"


class Trigger(StrEnum):
    """Why an action was sampled: `coin`: by chance, with probability p; `invalid`: because the policy had given several
    invalid actions in a row; `repeat`: because the policy was about to repeat an action after the same observation;
    `unsure`: because the policy gave its own turn a low probability; `branch`: because at this step the episode departs
    from the agent's own failed trial."""

    coin = "coin"
    invalid = "invalid"
    repeat = "repeat"
    unsure = "unsure"
    branch = "branch"


class Proposer(StrEnum):
    """Who proposed a sampled action: the sampler of the environment, or the policy at a high temperature."""

    environment = "environment"
    policy = "policy"


class PromptStyle(StrEnum):
    """How an agent reads its history: as plain text in the ReAct format, or in messages of the chat template of its
    base."""

    plain = "plain"
    chat = "chat"


class TrajectoryKind(StrEnum):
    """What a trajectory was made for: the agent's own trial, exploration, a demonstration by the expert, or evaluation;
    `hindsight` is the beginning of a failed exploration that solved another task, told anew as an episode of that
    task."""

    policy = "policy"
    composed = "composed"
    hindsight = "hindsight"
    demonstration = "demonstration"
    evaluation = "evaluation"


class StopReason(StrEnum):
    """Why an episode ended."""

    success = "success"
    done = "done"
    max_steps = "max_steps"
    max_invalid = "max_invalid"
    max_stale = "max_stale"
    context = "context"


class Step(Schema):
    """Observation o_i, thought r_i and action a_i of one step. The thought may be missing."""

    index: int = Field(ge=0, description="Number of the step, from 0")
    observation: str = Field(description="What the agent saw before it acted")
    thought: str | None = Field(
        None, description="The thought, or reason, in front of the action; null where there is none"
    )
    action: str = Field(description="The action in the words of the environment")
    source: Source = Field(description="Who chose the action")
    reason_by: ReasonBy = Field(description="Who wrote the thought")
    valid: bool = Field(description="False where the environment did not understand or allow the action")
    trigger: Trigger | None = Field(None, description="Why the action was sampled; null where it was not")
    proposed_by: Proposer | None = Field(
        None, description="Who proposed a sampled action; null for other actions, and in episodes of older versions"
    )
    policy_version: str | None = Field(
        None,
        description="Adapter version, or base model, that the policy generated the step with; null for steps of others",
    )
    policy_action: str | None = Field(
        None,
        description="The action that the policy would have taken in place of a sampled one; null where it was not "
        "asked",
    )
    reason_annotator: str | None = Field(
        None, description="Annotator (and model) that wrote the reason; null where ActRe wrote none"
    )
    purpose: bool | None = Field(
        None,
        description="Whether the reason that ActRe wrote says what the action is good for (`Reason.purpose`); null "
        "where ActRe wrote none, and in episodes of older versions. `objective.purposeless_weight` weighs turns by it",
    )
    completion: str | None = Field(
        None,
        description="Generated text of the turn, thought and action together; null where the policy generated none",
    )
    completion_ids: list[int] | None = Field(
        None, description="Ids of the generated tokens; null where they are not known"
    )
    logprobs: list[float] | None = Field(
        None, description="Natural log-probability of each generated token; null where they are not known"
    )
    prompt_tokens: int | None = Field(None, description="Number of tokens in the prompt; null where it is not known")
    prompt_kept: int | None = Field(
        None,
        ge=0,
        description="Recorded episodes: number of leading tokens of the step before, prompt and completion together, "
        "with which this step's prompt begins; null where the prompt is rendered from the episode's texts",
    )
    prompt_added: list[int] | None = Field(
        None,
        description="Recorded episodes: ids of the tokens that follow in this step's prompt; null where the prompt is "
        "rendered from the episode's texts",
    )
    made_up_observation: bool = Field(
        False,
        description="Whether the turn was cut in front of an observation that the policy made up; such a turn is never "
        "imitated",
    )
    seconds: dict[str, float] = Field(
        default_factory=dict, description="Seconds spent in each service, by name: `policy`, `actre`, `env`"
    )


class Trajectory(Schema):
    """One episode, from its first observation to its final reward R(τ)."""

    id: str = Field(description="Id of the trajectory, made by `trajectory_id`")
    run: Name = Field(description="Name of the run")
    round: int = Field(ge=0, description="Number of the round, from 0")
    environment: Environment = Field(description="Environment that was played")
    engine: str | None = Field(None, description="Engine of the environment; null where it is not known")
    split: str = Field(description="Split that the task belongs to")
    task_id: str = Field(description="Id of the task")
    task_type: str = Field("", description="Type of the task")
    seed: int = Field(0, description="Seed of the episode")
    kind: TrajectoryKind = Field(description="What the episode was played for")
    sample: int = Field(
        0, ge=0, description="Number of the episode among the task's episodes of this kind in this round, from 0"
    )
    policy_version: str | None = Field(
        None, description="Adapter version, or base model, that played; null for demonstrations"
    )
    preamble: str = Field(
        "", description="Prompt in front of the first observation, for example a worked example; empty for none"
    )
    multiline: bool = Field(False, description="Whether the agent read observations with their line breaks")
    prompt: PromptStyle = Field(PromptStyle.plain, description="How the agent read its history; training does the same")
    steps: list[Step] = Field(description="The steps in order")
    final_observation: str = Field("", description="What the agent saw after its last action")
    reward: float = Field(0.0, description="Reward R(τ) of the episode: the sum of its steps' rewards")
    success: bool = Field(description="Whether the task was solved")
    stop_reason: StopReason = Field(description="Why the episode ended")
    created_at: datetime = Field(description="Time at which the episode ended (UTC)")
    seconds: float = Field(0.0, description="Length of the episode in seconds")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Free values")

    @property
    def recorded(self) -> bool:
        """Whether a step has the exact tokens of its prompt, as in recorded episodes of a user's own agent."""
        return any(step.prompt_added is not None for step in self.steps)


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
    prompt: PromptStyle = Field(PromptStyle.plain, description="How the agent reads its history")
    turns: Annotated[list[Turn], Field(fail_fast=True)] = Field(
        default_factory=list, max_length=MOST_TURNS, description="The finished steps in order"
    )
    preamble: str = Field(
        "", description="Prompt in front of the first observation, for example a worked example; empty for none"
    )


def trajectory_id(run: str, round: int, task_id: str, kind: str, sample: int) -> str:
    """Return the id of a trajectory: 24 hex digits of a SHA-256 over the arguments, so that an episode that is played
    twice is stored once."""
    key = "\x1f".join((run, str(round), task_id, str(kind), str(sample)))
    return hashlib.sha256(key.encode()).hexdigest()[:24]
