"""Stored episodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from a3t_contracts.schemas import MAX_INT, Trajectory, TrajectoryKind

from ..store import EpisodeFilter, count_trajectories, find_trajectory, list_trajectories
from .deps import SessionDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/trajectories", tags=["trajectories"])


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
    n_sampled: int = Field(description="Steps whose action was sampled")
    n_invalid: int = Field(description="Steps whose action the environment did not understand or allow")
    n_made_up: int = Field(description="Turns that were cut in front of an observation that the policy made up")
    seconds: float = Field(description="Length of the episode in seconds")
    created_at: datetime = Field(description="Time at which the episode ended (UTC)")


class TrajectoryPage(BaseModel):
    """One page, in order of making; `total` counts all pages."""

    trajectories: list[TrajectoryInfo] = Field(description="The trajectories of the page, oldest first")
    total: int = Field(description="Number of trajectories over all pages")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last")


@router.get("")
def trajectories(
    session: SessionDep,
    run: Annotated[str | None, Query(description="Only of this run")] = None,
    round: Annotated[int | None, Query(ge=0, le=MAX_INT, description="Only of this round")] = None,
    kind: Annotated[TrajectoryKind | None, Query(description="Only of this kind")] = None,
    task_id: Annotated[str | None, Query(description="Only of this task")] = None,
    success: Annotated[bool | None, Query(description="Only successes, or only failures")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of trajectories on the page")] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_INT, description="Number of trajectories to skip")] = 0,
) -> TrajectoryPage:
    """Trajectories that match every filter."""
    where = EpisodeFilter(run=run, round=round, kind=kind, task_id=task_id, success=success)
    found = list_trajectories(session, where, limit, offset)
    total = count_trajectories(session, where)
    end = offset + len(found)
    rows = [TrajectoryInfo.model_validate(row) for row in found]
    return TrajectoryPage(trajectories=rows, total=total, next_offset=end if end < total else None)


@router.get("/{trajectory_id}")
def trajectory(session: SessionDep, trajectory_id: str) -> Trajectory:
    """A whole episode, by its id or the beginning of it."""
    return find_trajectory(session, trajectory_id)
