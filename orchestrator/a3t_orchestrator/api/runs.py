"""Runs, their reports and events."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

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

    name: str = Field(description="Name of the run")
    environment: str = Field(description="Environment of the run")
    status: str = Field(description="Status of the run")
    round: int = Field(description="Number of the current round")
    phase: str = Field(description="Current phase")
    seed: int = Field(description="Seed of the run")
    commit: str = Field(description="Commit of the code that began the run; empty where it is not known")
    error: str | None = Field(description="Why the run failed; null where it did not")
    created_at: datetime = Field(description="Time at which the run was created (UTC)")
    updated_at: datetime = Field(description="Time of the last change (UTC)")
    finished_at: datetime | None = Field(description="Time at which the run finished (UTC); null before")


class EventInfo(BaseModel):
    """An event of a run."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the event; later events have higher ones")
    round: int = Field(description="Number of the round")
    at: datetime = Field(description="Time of the event (UTC)")
    level: str = Field(description="`info`, `warn` or `error`")
    kind: str = Field(description="What happened, as a name: `published` (a version went live), `round_finished`, …")
    message: str = Field(description="What happened, in words")
    data: dict[str, Any] = Field(description="Values that belong to the event")


@router.get("")
def runs(
    session: SessionDep, limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of runs")] = 100
) -> list[RunInfo]:
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
    limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of events")] = 200,
) -> list[EventInfo]:
    """Events in order: what was published, lost, given up."""
    get_run(session, run)
    return [EventInfo.model_validate(event) for event in events(session, run, after, limit)]
