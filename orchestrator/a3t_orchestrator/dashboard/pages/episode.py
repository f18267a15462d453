"""Pages of one episode step by step, of the tokens of a step, and of two episodes side by side."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query, Request
from starlette.responses import Response

from a3t_contracts.errors import InvalidInputError, NotFoundError

from ...api.deps import SessionDep, StoreDep
from ...api.query import TrajectoryQuery
from ...store import counterpart, episodes_of_task, find_trajectory, neighbours, to_trajectory, trajectory_row
from ..guard import page_router
from ..page import PageDep
from ..services import token_texts
from ..story import beside, tokens_of
from .trajectories import list_address

__all__ = ["router"]

router = page_router("/trajectories/{trajectory_id}")


@router.get("")
def episode_page(
    page: PageDep, session: SessionDep, trajectory_id: str, query: Annotated[TrajectoryQuery, Query()]
) -> Response:
    """Show one episode. `query` is that of the list from which it was opened."""
    row = trajectory_row(session, find_trajectory(session, trajectory_id).id)
    before, after = neighbours(session, row, query.where, query.order)
    return page.render(
        "episode.html",
        t=to_trajectory(row),
        row=row,
        pair=counterpart(session, row),
        others=episodes_of_task(session, row),
        before=before and list_address(f"/trajectories/{before.id}", query),
        after=after and list_address(f"/trajectories/{after.id}", query),
        back=list_address("/trajectories", query) if query.model_fields_set else f"/trajectories?run={row.run}",
    )


@router.get("/steps/{number}/tokens")
async def tokens_page(page: PageDep, store: StoreDep, request: Request, trajectory_id: str, number: int) -> Response:
    """Show the log-probabilities of a step's tokens, as a part of the episode's page."""
    trajectory = await store.do(lambda session: find_trajectory(session, trajectory_id))
    if not 0 <= number < len(trajectory.steps):
        raise NotFoundError(f"The episode has no step {number}.", hint=f"It has {len(trajectory.steps)} steps.")
    step = trajectory.steps[number]
    texts = await token_texts(request.app.state.settings, step)
    return page.part("tokens.html", step=step, tokens=tokens_of(step, texts), texts=texts)


@router.get("/beside/{other_id}")
def beside_page(page: PageDep, session: SessionDep, trajectory_id: str, other_id: str) -> Response:
    """Show two episodes of a task side by side, aligned at the first difference."""
    left, right = find_trajectory(session, trajectory_id), find_trajectory(session, other_id)
    if left.task_id != right.task_id:
        raise InvalidInputError(
            "These episodes are of different tasks.",
            hint="The page of an episode has links to other episodes of its task.",
        )
    return page.render("beside.html", left=left, right=right, steps=beside(left, right))
