"""`a3t report`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.errors import NotFoundError

from ..report.collect import collect_report
from ..report.model import Report
from ..report.seeds import SeedsReport, over_seeds
from ..report.seeds_text import print_seeds, write_seeds
from ..report.write import write_report
from ..settings import OrchestratorSettings
from ..store import latest_run
from .common import settings_and_store
from .service import by_service

__all__ = ["app", "report_folder"]

app = typer.Typer(add_completion=False)


@app.command()
def report(
    runs: Annotated[
        list[str] | None,
        typer.Argument(
            help="Name of the run; default: the newest one. Several names, of runs that differ only in their seed, "
            "make one report with means over the seeds."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the files; default: A3T_HOME/reports/RUN, or A3T_HOME/reports/RECIPE-seeds."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run's report: success by round with confidence intervals, training sets, timings and example episodes.
    The files are report.html, report.md and report.json. With --json the report is printed instead.

    For several runs of one recipe the files are seeds.md, seeds.json and seeds.svg: the success of each seed, and the
    mean over seeds with its interval.

    Example: `a3t report demo-1 --out reports`, or `a3t report demo-0 demo-1 demo-2`
    """
    names: list[str | None] = [*runs] if runs else [None]
    reports = [by_service(partial(_told, run=name)) or _stored(name) for name in names]
    if len(reports) > 1:
        _report_seeds(over_seeds(reports), out, as_json)
        return
    if as_json:
        emit_json(reports[0])
        return
    for path in write_report(reports[0], out or report_folder(OrchestratorSettings(), reports[0].run)).values():
        console.print(str(path), highlight=False, soft_wrap=True)


def _report_seeds(found: SeedsReport, out: Path | None, as_json: bool) -> None:
    if as_json:
        emit_json(found)
        return
    print_seeds(found)
    for path in write_seeds(found, out or report_folder(OrchestratorSettings(), f"{found.name}-seeds")).values():
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
