"""One run."""

from __future__ import annotations

from fastapi.responses import HTMLResponse
from starlette.responses import Response

from ...api.deps import SessionDep, StoreDep
from ...phases import Phase
from ...report.collect import collect_report
from ...report.text import round_rows
from ...report.write import html
from ...store import PhaseKey, events, get_run, phase_counts
from ..guard import page_router
from ..page import PageDep

__all__ = ["router"]

router = page_router(prefix="/runs/{run}")

REPORT_CSP = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox"
"""The report is one file with its styles inside. Nothing in it can run or ask for anything."""


@router.get("")
def run_page(page: PageDep, store: StoreDep, session: SessionDep, run: str) -> Response:
    """A run: what it is at, its rounds, its last events."""
    row = get_run(session, run)
    heads, rows = round_rows(collect_report(store, run))
    counts = phase_counts(session, PhaseKey(run, row.round, Phase(row.phase))) if row.phase else {}
    told = events(session, run, limit=100_000)[-30:][::-1]
    return page.render("run.html", run=row, heads=heads, rows=rows, counts=counts, events=told)


@router.get("/report")
def report_page(store: StoreDep, run: str) -> Response:
    """The report as `a3t report` writes it."""
    return HTMLResponse(html(collect_report(store, run)), headers={"Content-Security-Policy": REPORT_CSP})
