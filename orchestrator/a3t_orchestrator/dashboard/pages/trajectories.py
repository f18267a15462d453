"""The trajectories of a run."""

from __future__ import annotations

from typing import Annotated

from fastapi import Query
from starlette.responses import Response

from a3t_contracts.schemas import MAX_INT, TrajectoryKind

from ...api.deps import SessionDep
from ...store import EpisodeFilter, count_trajectories, get_run, list_trajectories
from ..guard import page_router
from ..page import PageDep

__all__ = ["router"]

router = page_router()
_PAGE = 50


@router.get("/runs/{run}/trajectories")
def trajectories_page(
    page: PageDep,
    session: SessionDep,
    run: str,
    round: Annotated[int | None, Query(ge=0, le=MAX_INT)] = None,
    kind: TrajectoryKind | None = None,
    success: bool | None = None,
    offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
) -> Response:
    """A run's trajectories."""
    where = EpisodeFilter(run=run, round=round, kind=kind, success=success)
    found = list_trajectories(session, where, _PAGE, offset)
    total = count_trajectories(session, where)
    chosen = {"round": round, "kind": kind.value if kind else None, "success": success}
    return page.render(
        "trajectories.html",
        run=get_run(session, run),
        rows=found,
        total=total,
        offset=offset,
        size=_PAGE,
        chosen={k: v for k, v in chosen.items() if v is not None},
        kinds=[k.value for k in TrajectoryKind],
    )
