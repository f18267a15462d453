"""Routes that list and read stored episodes."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from a3t_contracts.schemas import MAX_INT, Trajectory, TrajectoryInfo, TrajectoryPage

from ..store import find_trajectory, page_of_trajectories
from .deps import SessionDep
from .query import TrajectoryQuery

__all__ = ["router"]

router = APIRouter(prefix="/v1/trajectories", tags=["trajectories"])


class ListQuery(TrajectoryQuery):
    """Filters and order of a list, and which page of it."""

    limit: int = Field(100, ge=1, le=1000, description="Largest number of trajectories on the page")
    offset: int = Field(
        0, ge=0, le=MAX_INT, description="Number of trajectories to skip; a `cursor` is faster far into a long list"
    )
    cursor: str | None = Field(
        None,
        max_length=500,
        description="`next_cursor` or `previous_cursor` of a page with the same filters and order; `offset` is then "
        "ignored",
    )


@router.get("")
def trajectories(session: SessionDep, query: Annotated[ListQuery, Query()]) -> TrajectoryPage:
    """List trajectories that match every filter, without their steps."""
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
    """Read a whole episode, by its id or the beginning of its id."""
    return find_trajectory(session, trajectory_id)
