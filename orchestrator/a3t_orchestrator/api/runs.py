"""Runs, their reports and events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from a3t_contracts.schemas import MAX_INT

from ..report.collect import collect_report
from ..report.model import Report
from ..store import events, get_run, list_runs
from .deps import SessionDep, StoreDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])


class RunInfo(BaseModel):
    """A run as a list shows it."""

    model_config = ConfigDict(from_attributes=True)

    name: str
    environment: str
    status: str
    round: int
    phase: str
    seed: int
    commit: str
    error: str | None
    created_at: datetime
    updated_at: datetime
    finished_at: datetime | None


class EventInfo(BaseModel):
    """An event of a run."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    round: int
    at: datetime
    level: str
    kind: str
    message: str
    data: dict[str, Any]


@router.get("")
def runs(session: SessionDep, limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[RunInfo]:
    """Runs, the newest first."""
    return [RunInfo.model_validate(run) for run in list_runs(session, limit)]


@router.get("/{run}")
def run_info(session: SessionDep, run: str) -> RunInfo:
    """One run."""
    return RunInfo.model_validate(get_run(session, run))


@router.get("/{run}/report")
def report(store: StoreDep, run: str) -> Report:
    """Everything that `a3t report` says, now."""
    return collect_report(store, run)


@router.get("/{run}/events")
def run_events(
    session: SessionDep,
    run: str,
    after: Annotated[int, Query(ge=0, le=MAX_INT, description="Only events with a higher id")] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 200,
) -> list[EventInfo]:
    """Events in order: what was published, lost, given up."""
    get_run(session, run)
    return [EventInfo.model_validate(event) for event in events(session, run, after, limit)]
