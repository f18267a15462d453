"""Routes that read runs, their reports, progress and events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse

from a3t_contracts.schemas import MAX_INT, RunEvent, RunInfo, RunProgress

from ..report.collect import collect_report
from ..report.model import Report
from ..store import events, get_run, progress_of, run_info, run_infos
from .deps import SessionDep, StoreDep
from .stream import follow_run

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.get("")
def runs(
    session: SessionDep, limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of runs")] = 100
) -> list[RunInfo]:
    """List runs, the newest first."""
    return run_infos(session, limit)


@router.get("/{run}")
def one_run(session: SessionDep, run: str) -> RunInfo:
    """Read one run."""
    return run_info(session, run)


@router.get("/{run}/report")
def report(store: StoreDep, run: str) -> Report:
    """Return the report of a run as it is now: all figures of `a3t report`."""
    return collect_report(store, run)


@router.get("/{run}/progress")
def progress(session: SessionDep, run: str) -> RunProgress:
    """Return the progress of the current phase. Every replica of the service knows it."""
    return progress_of(session, run)


@router.get("/{run}/events", response_model=list[RunEvent])
async def run_events(
    store: StoreDep,
    request: Request,
    run: str,
    after: Annotated[int, Query(ge=0, le=MAX_INT, description="Only events with a higher id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of events; a stream has no limit")] = 200,
    stream: Annotated[bool, Query(description="Follow the events as server-sent events until the run ends")] = False,
    last_event_id: Annotated[
        int | None, Header(ge=0, le=MAX_INT, description="Id of the last event that a client of the stream has seen")
    ] = None,
) -> Response | list[RunEvent]:
    """List the events of a run in order, for example published versions and episodes that were given up.

    With `stream` the reply is a stream of server-sent events: each stored event with its id, and without an id
    `progress` (RunProgress) and `run` (RunInfo) whenever they change. The last one is `end` (RunInfo), when the run has
    ended. `after`, or the header `Last-Event-ID`, continues a stream after the event with that id.
    """
    if stream:
        await store.do(lambda session: get_run(session, run))
        body = follow_run(store, run, max(after, last_event_id or 0), request.app.state.stopping)
        return StreamingResponse(body, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    def read(session: SessionDep) -> list[RunEvent]:
        get_run(session, run)
        return [RunEvent.model_validate(event) for event in events(session, run, after, limit)]

    return await store.do(read)
