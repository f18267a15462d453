"""`a3t report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.errors import NotFoundError

from ..report.collect import collect_report
from ..report.model import Report
from ..report.write import write_report
from ..settings import OrchestratorSettings
from ..store import latest_run
from .common import settings_and_store
from .service import by_service

__all__ = ["app", "report_folder"]

app = typer.Typer(add_completion=False)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="Name of the run; default: the newest one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the files; default: A3T_HOME/reports/RUN.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run's report: success by round with confidence intervals, training sets, timings and example episodes.
    The files are report.html, report.md and report.json. With --json the report is printed instead.

    Example: `a3t report demo-1 --out reports`
    """
    found = by_service(lambda client: _told(client, run)) or _stored(run)
    if as_json:
        emit_json(found)
        return
    for path in write_report(found, out or report_folder(OrchestratorSettings(), found.run)).values():
        console.print(str(path), highlight=False, soft_wrap=True)


def report_folder(settings: OrchestratorSettings, run: str) -> Path:
    """Return the default folder of a run's report."""
    return settings.home.expanduser().resolve() / "reports" / run


def _stored(run: str | None) -> Report:
    """Read the report of a run, by default the newest, from the database."""
    _, store = settings_and_store()
    if run is None:
        with store.session() as session:
            run = latest_run(session).name
    return collect_report(store, run)


async def _told(client: OrchestratorClient, run: str | None) -> Report:
    """Read the report of a run, by default the newest, from the orchestrator service."""
    if run is None:
        newest = await client.runs(1)
        if not newest:
            raise NotFoundError("There is no run yet.", hint="Start one with `a3t run CONFIG` or `a3t demo`.")
        run = newest[0].name
    return Report.model_validate(await client.report(run))
