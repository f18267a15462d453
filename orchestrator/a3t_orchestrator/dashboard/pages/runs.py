"""All runs."""

from __future__ import annotations

from starlette.responses import Response

from ...api.deps import SessionDep
from ...store import list_runs
from ..guard import page_router
from ..page import PageDep

__all__ = ["router"]

router = page_router()


@router.get("/")
def runs_page(page: PageDep, session: SessionDep) -> Response:
    """All runs, the newest first."""
    return page.render("runs.html", runs=list_runs(session))
