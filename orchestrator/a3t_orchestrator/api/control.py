"""Begins runs and tells them what to do."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from sqlalchemy.orm import Session

from a3t_contracts.schemas import RunCreate, RunDeleted, RunInfo, RunResume
from a3t_contracts.service import JsonRoute

from ..driver.requested import begin_requested
from ..store import Run, Store, delete_run, request_cancel, request_pause, resume_run, run_info
from .deps import StoreDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"], route_class=JsonRoute)


@router.post(
    "", status_code=201, responses={200: {"model": RunInfo, "description": "The same request began it before"}}
)
async def begin(
    body: RunCreate,
    store: StoreDep,
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="The same key with the same request is the same run")
    ] = None,
) -> RunInfo:
    """Begin a run, which this service drives to its end. The same request again (the same name, or the same
    `Idempotency-Key`) is answered with the same run; another recipe under a name that there is, with 409."""
    begun = await begin_requested(store, request.app.state.settings, body, idempotency_key)
    if not begun.new:
        response.status_code = 200
    request.app.state.wake()
    return begun.run


@router.post("/{run}/pause")
def pause(store: StoreDep, request: Request, run: str) -> RunInfo:
    """Send no more work. What is being played ends and is kept; a training job goes on at the trainer."""
    return _changed(store, request, run, request_pause)


@router.post("/{run}/resume")
def resume(store: StoreDep, request: Request, run: str, body: RunResume | None = None) -> RunInfo:
    """Go on with a run that is paused, failed, interrupted or cancelled, or with a finished one for more rounds.
    Episodes that were given up are tried again."""
    return _changed(store, request, run, partial(resume_run, rounds=body.rounds if body else None))


@router.post("/{run}/cancel")
def cancel(store: StoreDep, request: Request, run: str) -> RunInfo:
    """End a run: work that no worker has begun is dropped, its training job is cancelled, what it has is kept."""
    return _changed(store, request, run, request_cancel)


@router.delete("/{run}")
def delete(store: StoreDep, run: str) -> RunDeleted:
    """Remove a run with its trajectories and events. Its adapter versions stay in the registry."""
    with store.session() as session:
        return delete_run(session, run)


def _changed(store: Store, request: Request, run: str, change: Callable[[Session, str], Run]) -> RunInfo:
    """The run after a change, which is committed before anyone is told of it."""
    with store.session() as session:
        change(session, run)
    request.app.state.wake()
    with store.session() as session:
        return run_info(session, run)
