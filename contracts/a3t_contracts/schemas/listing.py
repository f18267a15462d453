"""Schemas of lists of stored trajectories."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from .trajectory import TrajectoryKind

__all__ = ["TrajectoryInfo", "TrajectoryPage"]


class TrajectoryInfo(BaseModel):
    """A trajectory without its steps."""

    model_config = ConfigDict(from_attributes=True)

    id: str = Field(description="Id of the trajectory")
    run: str = Field(description="Name of the run")
    round: int = Field(description="Number of the round")
    phase: str = Field(description="Phase that played the episode")
    kind: TrajectoryKind = Field(description="What the episode was played for")
    split: str = Field(description="Split of the task")
    task_id: str = Field(description="Id of the task")
    task_type: str = Field(description="Type of the task")
    sample: int = Field(description="Number of the episode among those of its task, kind and round, from 0")
    policy_version: str | None = Field(
        description="Adapter version, or base model, that played; null for demonstrations"
    )
    success: bool = Field(description="Whether the task was solved")
    reward: float = Field(description="Final reward, 0 to 1")
    stop_reason: str = Field(description="Why the episode ended")
    n_steps: int = Field(description="Number of steps")
    n_sampled: int = Field(description="Number of steps whose action was sampled")
    n_sampled_coin: int = Field(description="Number of those that were sampled by chance, with probability p")
    n_sampled_invalid: int = Field(
        description="Number of those that were sampled after several invalid actions in a row"
    )
    n_invalid: int = Field(description="Number of steps whose action the environment did not understand or allow")
    n_made_up: int = Field(
        description="Number of turns that were cut in front of an observation that the policy made up"
    )
    seconds: float = Field(description="Length of the episode in seconds")
    created_at: datetime = Field(description="Time at which the episode ended (UTC)")


class TrajectoryPage(BaseModel):
    """One page of a list of trajectories."""

    trajectories: list[TrajectoryInfo] = Field(description="The trajectories of the page in the order asked for")
    total: int = Field(description="Number of trajectories over all pages")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")
    previous_cursor: str | None = Field(description="`cursor` of the page before; null on the first")
