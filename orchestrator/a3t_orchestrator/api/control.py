"""Routes that begin, pause, resume, cancel and delete runs."""

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
    "",
    status_code=201,
    responses={200: {"model": RunInfo, "description": "An earlier request with the same content began this run"}},
)
async def begin(
    body: RunCreate,
    store: StoreDep,
    request: Request,
    response: Response,
    idempotency_key: Annotated[
        str | None,
        Header(
            max_length=255,
            description="Key that makes the request safe to repeat: the same key with the same request returns the "
            "same run",
        ),
    ] = None,
) -> RunInfo:
    """Begin a run, which this service drives to its end. A repeated request (same name, or same `Idempotency-Key`)
    returns the same run. Another recipe under an existing name gives 409."""
    begun = await begin_requested(store, request.app.state.settings, body, idempotency_key)
    if not begun.new:
        response.status_code = 200
    request.app.state.wake()
    return begun.run


@router.post("/{run}/pause")
def pause(store: StoreDep, request: Request, run: str) -> RunInfo:
    """Pause a run: no further work is sent. Episodes that are being played are finished and kept; a training job
    continues in the trainer."""
    return _changed(store, request, run, request_pause)


@router.post("/{run}/resume")
def resume(store: StoreDep, request: Request, run: str, body: RunResume | None = None) -> RunInfo:
    """Continue a run that is paused, failed, interrupted or cancelled, or a finished one for more rounds. Episodes that
    were given up are tried again."""
    return _changed(store, request, run, partial(resume_run, rounds=body.rounds if body else None))


@router.post("/{run}/cancel")
def cancel(store: StoreDep, request: Request, run: str) -> RunInfo:
    """End a run: work that no worker has begun is dropped and its training job is cancelled. Results so far are
    kept."""
    return _changed(store, request, run, request_cancel)


@router.delete("/{run}")
def delete(store: StoreDep, run: str) -> RunDeleted:
    """Delete a run with its trajectories and events. Its adapter versions stay in the registry. A run that is under way
    gives 409."""
    with store.session() as session:
        return delete_run(session, run)


def _changed(store: Store, request: Request, run: str, change: Callable[[Session, str], Run]) -> RunInfo:
    """Make a change of a run and return the run. The change is committed before the supervisor is woken."""
    with store.session() as session:
        change(session, run)
    request.app.state.wake()
    with store.session() as session:
        return run_info(session, run)
