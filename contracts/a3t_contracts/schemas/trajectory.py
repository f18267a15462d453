"""The trajectory: the one central schema."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from .base import Environment, Name, Schema

__all__ = [
    "ReasonBy",
    "Source",
    "Step",
    "StopReason",
    "Trajectory",
    "TrajectoryKind",
    "Trigger",
    "trajectory_id",
]


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
    """Why an action was sampled: the coin of probability p, or three invalid policy actions in a row."""

    coin = "coin"
    invalid = "invalid"


class TrajectoryKind(StrEnum):
    policy = "policy"
    composed = "composed"
    demonstration = "demonstration"
    evaluation = "evaluation"


class StopReason(StrEnum):
    success = "success"
    done = "done"
    max_steps = "max_steps"
    max_invalid = "max_invalid"
    context = "context"
    error = "error"


class Step(Schema):
    """Observation o_i, thought r_i and action a_i; a thought may be missing."""

    index: int = Field(ge=0)
    observation: str = Field(description="What the agent saw before it acted")
    thought: str | None = None
    action: str
    source: Source
    reason_by: ReasonBy
    valid: bool = Field(description="False where the environment did not understand or allow the action")
    trigger: Trigger | None = Field(None, description="Why the action was sampled; null for other sources")
    policy_version: str | None = Field(None, description="Adapter version (or base model) that produced the step")
    policy_action: str | None = Field(None, description="The action the policy would have taken, where known")
    reason_annotator: str | None = Field(None, description="Annotator (and model) that wrote an ActRe reason")
    completion: str | None = Field(None, description="Text of the turn as generated, thought and action")
    completion_ids: list[int] | None = Field(None, description="Token ids of `completion` as generated")
    logprobs: list[float] | None = Field(None, description="Natural log-probability of each of `completion_ids`")
    prompt_tokens: int | None = None
    seconds: dict[str, float] = Field(default_factory=dict, description="policy, actre, env: seconds spent")


class Trajectory(Schema):
    """One episode from its first observation to its terminal reward R(τ)."""

    id: str = Field(description="See `trajectory_id`")
    run: Name
    round: int = Field(ge=0)
    environment: Environment
    engine: str | None = None
    split: str
    task_id: str
    task_type: str = ""
    seed: int = 0
    kind: TrajectoryKind
    sample: int = Field(0, ge=0, description="Which of the task's episodes of this kind in this round")
    policy_version: str | None = None
    preamble: str = Field("", description="Few-shot prompt in front of the first observation")
    steps: list[Step]
    final_observation: str = ""
    reward: float = 0.0
    success: bool
    stop_reason: StopReason
    created_at: datetime
    seconds: float = 0.0
    metadata: dict[str, Any] = Field(default_factory=dict)


def trajectory_id(run: str, round: int, task_id: str, kind: str, sample: int) -> str:
    """The id of a trajectory: 24 hex digits of a SHA-256 over what identifies it, so that producing it twice
    stores it once."""
    key = "\x1f".join((run, str(round), task_id, str(kind), str(sample)))
    return hashlib.sha256(key.encode()).hexdigest()[:24]
