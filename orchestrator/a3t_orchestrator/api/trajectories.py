"""Stored episodes."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from a3t_contracts.schemas import MAX_INT, Trajectory, TrajectoryKind

from ..store import find_trajectory, page_of_trajectories
from .deps import SessionDep
from .query import TrajectoryQuery

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
    n_sampled_coin: int = Field(description="Of these, sampled by the draw of probability p")
    n_sampled_invalid: int = Field(description="Of these, sampled after several invalid actions in a row")
    n_invalid: int = Field(description="Steps whose action the environment did not understand or allow")
    n_made_up: int = Field(description="Turns that were cut in front of an observation that the policy made up")
    seconds: float = Field(description="Length of the episode in seconds")
    created_at: datetime = Field(description="Time at which the episode ended (UTC)")


class TrajectoryPage(BaseModel):
    """One page; `total` counts all pages."""

    trajectories: list[TrajectoryInfo] = Field(description="The trajectories of the page in the order asked for")
    total: int = Field(description="Number of trajectories over all pages")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last")
    next_cursor: str | None = Field(description="`cursor` of the next page; null on the last")
    previous_cursor: str | None = Field(description="`cursor` of the page before; null on the first")


class ListQuery(TrajectoryQuery):
    """Filters, order and the page."""

    limit: int = Field(100, ge=1, le=1000, description="Largest number of trajectories on the page")
    offset: int = Field(
        0, ge=0, le=MAX_INT, description="Number of trajectories to skip; a `cursor` is faster far into a long list"
    )
    cursor: str | None = Field(
        None,
        max_length=500,
        description="`next_cursor` or `previous_cursor` of a page with the same filters and order; `offset` is then "
        "left out of account",
    )


@router.get("")
def trajectories(session: SessionDep, query: Annotated[ListQuery, Query()]) -> TrajectoryPage:
    """Trajectories that match every filter."""
    page = page_of_trajectories(session, query.where, query.order, query.cursor, query.limit, query.offset)
    end = page.first - 1 + len(page.rows)
    return TrajectoryPage(
        trajectories=[TrajectoryInfo.model_validate(row) for row in page.rows],
        total=page.total,
        next_offset=end if page.next else None,
        next_cursor=page.next,
        previous_cursor=page.previous,
    )


@router.get("/{trajectory_id}")
def trajectory(session: SessionDep, trajectory_id: str) -> Trajectory:
    """A whole episode, by its id or the beginning of it."""
    return find_trajectory(session, trajectory_id)
