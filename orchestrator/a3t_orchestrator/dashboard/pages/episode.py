"""One episode."""

from __future__ import annotations

from starlette.responses import Response

from ...api.deps import SessionDep
from ...store import find_trajectory
from ..guard import page_router
from ..page import PageDep

__all__ = ["router"]

router = page_router()


@router.get("/trajectories/{trajectory_id}")
def episode_page(page: PageDep, session: SessionDep, trajectory_id: str) -> Response:
    """One episode, sampled steps marked."""
    return page.render("episode.html", t=find_trajectory(session, trajectory_id))
