"""Page of episodes that were given up."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import Form, Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from a3t_contracts.access import Role, needs
from a3t_contracts.errors import A3TError
from a3t_contracts.schemas import MAX_INT, Failure

from ...api.deps import SessionDep, StoreDep
from ...store import Store, count_failures, drop_failure, list_failures, retry_failure
from ..guard import page_router
from ..page import Page, PageDep

__all__ = ["router"]

router = page_router("/failures")
_PAGE = 50


@router.get("")
def failures_page(
    page: PageDep,
    session: SessionDep,
    run: str | None = None,
    offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
) -> Response:
    """List failures, the newest first; `run` shows only those of one run."""
    found, total = list_failures(session, run, _PAGE, offset), count_failures(session, run)
    return page.render("failures.html", run=run, failures=found, total=total, offset=offset, size=_PAGE)


@router.post("/{failure}/retry")
def retry(page: PageDep, store: StoreDep, failure: str, back: Annotated[str, Form()] = "") -> Response:
    """Put an episode back on the work list."""
    return _do(page, store, retry_failure, failure, back, "The episode of task {} will be tried again.")


@router.post("/{failure}/drop", **needs(Role.admin))
def drop(page: PageDep, store: StoreDep, failure: str, back: Annotated[str, Form()] = "") -> Response:
    """Drop an episode: it is no longer listed, counted or tried again."""
    return _do(
        page, store, drop_failure, failure, back, "The episode of task {} is dropped; the run continues without it."
    )


def _do(
    page: Page, store: Store, change: Callable[[Session, str], Failure], failure: str, run: str, said: str
) -> Response:
    address = page.address("/failures", run=run or None)
    try:
        with store.session() as session:
            told = change(session, failure)
    except A3TError as error:
        return page.redirect(address, str(error), "bad")
    return page.redirect(address, said.format(told.task_id))
