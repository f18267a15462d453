"""Page of one run: its progress, curves, timings and events."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, Any

from fastapi import Query, Request
from fastapi.responses import HTMLResponse
from sqlalchemy.orm import Session
from starlette.responses import Response

from a3t_contracts.errors import A3TError
from a3t_contracts.schemas import MAX_INT

from ...api.deps import SessionDep, StoreDep
from ...phases import Phase
from ...report.collect import collect_report
from ...report.model import Report
from ...report.text import round_rows
from ...report.write import html
from ...store import Job, Store, count_failures, get_job, last_events, progress_of, rounds_of, run_info
from ..guard import page_router
from ..page import PageDep
from ..plots import Plot
from ..run_plots import heat_maps, loss_plots, set_plot, success_plots
from ..services import job_events, trainer

__all__ = ["router"]

router = page_router("/runs/{run}")

REPORT_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""Content-Security-Policy of the report, which is one file with its styles inside: no scripts, no requests."""
_EVENTS = 40


@router.get("")
def run_page(page: PageDep, store: StoreDep, session: SessionDep, run: str) -> Response:
    """A run."""
    return page.render(
        "run.html",
        **_state(session, run),
        **_figures(store, run),
        events=last_events(session, run, _EVENTS),
        trained=_trained(session, run),
    )


@router.get("/part/state")
def state_part(page: PageDep, session: SessionDep, run: str) -> Response:
    """Show the progress of the run as it is now."""
    return page.part("run_state.html", **_state(session, run))


@router.get("/part/log")
def log_part(page: PageDep, session: SessionDep, run: str) -> Response:
    """Show the last events of the run."""
    ended = run_info(session, run).status.ended
    return page.part("run_log.html", last=ended, events=last_events(session, run, _EVENTS))


@router.get("/part/figures")
def figures_part(page: PageDep, store: StoreDep, session: SessionDep, run: str) -> Response:
    """Show the run's figures as they are now."""
    ended = run_info(session, run).status.ended
    return page.part("run_figures.html", last=ended, **_figures(store, run))


@router.get("/part/loss")
async def loss_part(
    page: PageDep,
    store: StoreDep,
    request: Request,
    run: str,
    round: Annotated[int | None, Query(ge=0, le=MAX_INT)] = None,
) -> Response:
    """Show the losses of a round's fine-tuning job, read from the trainer; without `round`, those of the newest job."""
    job, ended = await store.do(lambda session: _job(session, run, round))
    plots: list[Plot] = []
    trouble = "The losses are shown here as soon as a round trains."
    if job is not None and job.job_id is not None:
        try:
            async with trainer(request.app.state.settings) as client:
                plots = loss_plots(await job_events(client, job.job_id), job.version)
            trouble = f"The training of {job.version} has not finished an optimiser step yet."
        except A3TError as error:
            trouble = str(error)
    return page.part("run_loss.html", last=ended or round is not None, plots=plots, trouble=trouble)


@router.get("/report")
def report_page(store: StoreDep, run: str) -> Response:
    """Show the report, as `a3t report` writes it."""
    report = collect_report(store, run)
    return HTMLResponse(_drawn(report.model_dump_json()), headers={"Content-Security-Policy": REPORT_CSP})


@lru_cache(maxsize=8)
def _drawn(report: str) -> str:
    """Render the page of a report that is given as JSON. Its plots take half a second to draw, so the latest pages are
    cached."""
    return html(Report.model_validate_json(report))


def _state(session: Session, run: str) -> dict[str, Any]:
    info = run_info(session, run)
    return {
        "run": info,
        "progress": progress_of(session, run),
        "failures": count_failures(session, run),
    }


def _figures(store: Store, run: str) -> dict[str, Any]:
    report = collect_report(store, run)
    heads, rows = round_rows(report)
    return {
        "report": report,
        "heads": heads,
        "rows": rows,
        "plots": success_plots(report),
        "set_plot": set_plot(report),
        "maps": heat_maps(report),
        "phases": [phase.value for phase in Phase if any(phase.value in r.spent.seconds for r in report.rounds)],
        "longest": max([sum(r.spent.seconds.values()) for r in report.rounds] or [0.0]),
    }


def _job(session: Session, run: str, number: int | None) -> tuple[Job | None, bool]:
    """Return the fine-tuning job of a round, or the newest one, and whether the run has ended."""
    ended = run_info(session, run).status.ended
    trained = _trained(session, run)
    if number is None:
        number = trained[-1] if trained else 0
    return get_job(session, run, number), ended


def _trained(session: Session, run: str) -> list[int]:
    """Return the rounds that have a fine-tuning job."""
    return [row.round for row in rounds_of(session, run) if get_job(session, run, row.round) is not None]
