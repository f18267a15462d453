"""Stored episodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from a3t_contracts.schemas import MAX_INT, Trajectory, TrajectoryKind

from ..store import EpisodeFilter, count_trajectories, find_trajectory, list_trajectories
from .deps import SessionDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/trajectories", tags=["trajectories"])


class TrajectoryInfo(BaseModel):
    """A trajectory without its steps."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    run: str
    round: int
    phase: str
    kind: TrajectoryKind
    split: str
    task_id: str
    task_type: str
    sample: int
    policy_version: str | None
    success: bool
    reward: float
    stop_reason: str
    n_steps: int
    n_sampled: int
    n_invalid: int
    n_made_up: int
    seconds: float
    created_at: datetime


class TrajectoryPage(BaseModel):
    """One page, in order of making; `total` counts all pages."""

    trajectories: list[TrajectoryInfo]
    total: int
    next_offset: int | None


@router.get("")
def trajectories(
    session: SessionDep,
    run: str | None = None,
    round: Annotated[int | None, Query(ge=0, le=MAX_INT)] = None,
    kind: TrajectoryKind | None = None,
    task_id: str | None = None,
    success: bool | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
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
