"""Pages of all runs, and of several runs in one plot."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from sqlalchemy.orm import Session
from starlette.responses import Response

from a3t_contracts.errors import InvalidInputError

from ...api.deps import SessionDep, StoreDep
from ...report.collect import collect_report
from ...report.text import splits_of
from ...store import progress_of, run_infos, success_by_round
from ..guard import page_router
from ..page import PageDep
from ..plots import sparkline
from ..run_plots import overlaid

__all__ = ["router"]

router = page_router()
_MOST = 100
_MOST_COMPARED = 6


@router.get("/")
def runs_page(page: PageDep, session: SessionDep) -> Response:
    """Show all runs, the newest first."""
    return page.render("runs.html", **_listed(session))


@router.get("/runs/part/list")
def runs_part(page: PageDep, session: SessionDep) -> Response:
    """Show the list of runs as it is now."""
    return page.part("runs_list.html", **_listed(session))


@router.get("/compare")
def compare_page(page: PageDep, store: StoreDep, run: Annotated[list[str] | None, Query()] = None) -> Response:
    """Show the curves of several runs in one plot."""
    names = list(dict.fromkeys(run or []))
    if not 2 <= len(names) <= _MOST_COMPARED:
        hint = "Tick them in the list of runs, then press Compare."
        raise InvalidInputError(
            f"Two to {_MOST_COMPARED} runs can be compared; the request names {len(names)}.", hint=hint
        )
    reports = [collect_report(store, name) for name in names]
    splits = sorted({split for report in reports for split in splits_of(report)})
    return page.render("compare.html", reports=reports, plots=overlaid(reports), splits=splits)


def _listed(session: Session) -> dict[str, Any]:
    infos = run_infos(session, _MOST)
    curves = {run: sparkline(rates) for run, rates in success_by_round(session, [info.name for info in infos]).items()}
    progress = {info.name: progress_of(session, info.name) for info in infos if info.status.active}
    return {"rows": [(info, progress.get(info.name)) for info in infos], "curves": curves}
