"""The dashboard: plain pages that reload themselves while a run is under way."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from a3t_contracts.schemas import MAX_INT, TrajectoryKind

from ..phases import Phase
from ..report.collect import collect_report
from ..report.text import round_rows
from ..report.write import html, templates
from ..store import (
    EpisodeFilter,
    PhaseKey,
    count_trajectories,
    events,
    find_trajectory,
    get_run,
    list_runs,
    list_trajectories,
    phase_counts,
)
from .deps import SessionDep, StoreDep

__all__ = ["router"]

router = APIRouter(tags=["dashboard"], default_response_class=HTMLResponse, include_in_schema=False)
_PAGE = 50


@router.get("/")
def home(session: SessionDep) -> HTMLResponse:
    """All runs."""
    return _page("runs.html", runs=list_runs(session), refresh=5)


@router.get("/runs/{run}")
def run_page(store: StoreDep, session: SessionDep, run: str) -> HTMLResponse:
    """A run: what it is at, its rounds, its last events."""
    row = get_run(session, run)
    report = collect_report(store, run)
    heads, rows = round_rows(report)
    counts = phase_counts(session, PhaseKey(run, row.round, Phase(row.phase))) if row.phase else {}
    told = events(session, run, limit=100_000)[-30:][::-1]
    return _page(
        "run.html",
        run=row,
        heads=heads,
        rows=rows,
        counts=counts,
        events=told,
        refresh=3 if row.status == "running" else None,
    )


@router.get("/runs/{run}/report")
def report_page(store: StoreDep, run: str) -> HTMLResponse:
    """The report as `a3t report` writes it."""
    return HTMLResponse(html(collect_report(store, run)))


@router.get("/runs/{run}/trajectories")
def trajectories_page(
    session: SessionDep,
    run: str,
    round: Annotated[int | None, Query(ge=0, le=MAX_INT)] = None,
    kind: TrajectoryKind | None = None,
    success: bool | None = None,
    offset: Annotated[int, Query(ge=0, le=MAX_INT)] = 0,
) -> HTMLResponse:
    """A run's trajectories."""
    where = EpisodeFilter(run=run, round=round, kind=kind, success=success)
    found = list_trajectories(session, where, _PAGE, offset)
    total = count_trajectories(session, where)
    chosen = {"round": round, "kind": kind.value if kind else None, "success": success}
    return _page(
        "trajectories.html",
        run=get_run(session, run),
        rows=found,
        total=total,
        offset=offset,
        size=_PAGE,
        chosen={k: v for k, v in chosen.items() if v is not None},
        kinds=[k.value for k in TrajectoryKind],
    )


@router.get("/trajectories/{trajectory_id}")
def trajectory_page(session: SessionDep, trajectory_id: str) -> HTMLResponse:
    """One episode, sampled steps marked."""
    return _page("trajectory.html", t=find_trajectory(session, trajectory_id))


def _page(name: str, *, refresh: int | None = None, **values: object) -> HTMLResponse:
    return HTMLResponse(templates.get_template(name).render(refresh=refresh, **values))
