"""Routes for episodes that were given up."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from a3t_contracts.schemas import MAX_INT, Failure, FailurePage

from ..store import count_failures, drop_failure, list_failures, retry_failure
from .deps import SessionDep, StoreDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/failures", tags=["failures"])


@router.get("")
def failures(
    session: SessionDep,
    run: Annotated[str | None, Query(description="Only of this run")] = None,
    limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of failures on the page")] = 100,
    offset: Annotated[int, Query(ge=0, le=MAX_INT, description="Number of failures to skip")] = 0,
) -> FailurePage:
    """List episodes that were given up, the newest first, each with its last error."""
    found, total = list_failures(session, run, limit, offset), count_failures(session, run)
    end = offset + len(found)
    return FailurePage(failures=found, total=total, next_offset=end if end < total else None)


@router.post("/{failure}/retry")
def retry(store: StoreDep, failure: str) -> Failure:
    """Put the episode back on the work list, with its number of attempts reset. 409 where the run has continued without
    it."""
    with store.session() as session:
        return retry_failure(session, failure)


@router.delete("/{failure}")
def drop(store: StoreDep, failure: str) -> Failure:
    """Drop the episode: it is no longer listed, counted or tried again."""
    with store.session() as session:
        return drop_failure(session, failure)
