"""Page that lists trajectories, with filters, search, orders and page numbers."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Query
from pydantic import Field
from sqlalchemy.orm import Session
from starlette.responses import RedirectResponse, Response

from a3t_contracts.schemas import StopReason, TrajectoryKind

from ...api.deps import SessionDep
from ...api.query import TrajectoryQuery
from ...store import Order, Page, get_run, list_runs, page_of_trajectories, task_types, texts_of
from ..guard import page_router
from ..page import PageDep
from ..story import Excerpt, excerpt

__all__ = ["list_address", "router"]

router = page_router()
_ROWS = 50
_ORDERS = {
    Order.newest: "newest first",
    Order.oldest: "oldest first",
    Order.highest_reward: "highest reward",
    Order.lowest_reward: "lowest reward",
    Order.most_steps: "most steps",
    Order.fewest_steps: "fewest steps",
    Order.most_sampled: "most sampled steps",
    Order.most_invalid: "most invalid turns",
    Order.slowest: "slowest",
    Order.quickest: "quickest",
}


class PageQuery(TrajectoryQuery):
    """Filters and order from the form, and the place in the list."""

    cursor: str | None = Field(None, max_length=500)


@router.get("/trajectories")
def trajectories_page(page: PageDep, session: SessionDep, query: Annotated[PageQuery, Query()]) -> Response:
    """List trajectories of all runs, or of one."""
    if query.run is not None:
        get_run(session, query.run)
    query.sort = query.sort or Order.newest
    filtered = set(query.model_dump(exclude_none=True)) - {"sort", "cursor"}
    found = page_of_trajectories(session, query.where, query.order, query.cursor, _ROWS)
    return page.render(
        "trajectories.html",
        query=query,
        found=found,
        filtered=bool(filtered),
        opened=bool(filtered - {"run", "search"}),
        excerpts=_excerpts(session, found, query.search),
        address=lambda **changes: list_address("/trajectories", query, **changes),
        episode=lambda row: list_address(f"/trajectories/{row.id}", query),
        runs=[run.name for run in list_runs(session)],
        types=task_types(session, query.run),
        kinds=list(TrajectoryKind),
        reasons=list(StopReason),
        orders=_ORDERS,
    )


@router.get("/runs/{run}/trajectories")
def of_a_run(run: str, query: Annotated[TrajectoryQuery, Query()]) -> Response:
    """Redirect to the list with the run as its filter."""
    return RedirectResponse(list_address("/trajectories", query, run=run), 307)


def list_address(path: str, query: TrajectoryQuery, **changes: Any) -> str:
    """Return an address with the filters and order of a list; `changes` replace some of them."""
    values = query.model_dump(mode="json", exclude={"cursor"}, exclude_none=True) | changes
    return f"{path}?{urlencode(values)}" if values else path


def _excerpts(session: Session, found: Page, search: str | None) -> dict[int, Excerpt | None]:
    """Find the searched words in the episodes of a page. Returns an excerpt by number of the row."""
    if not search:
        return {}
    texts = texts_of(session, [row.number for row in found.rows])
    return {text.number: excerpt(search, text.steps, text.final_observation) for text in texts}
