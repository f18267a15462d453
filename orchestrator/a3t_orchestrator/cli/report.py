"""`a3t report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json

from ..report.collect import collect_report
from ..report.write import write_report
from ..settings import OrchestratorSettings
from ..store import Store, latest_run
from .common import settings_and_store

__all__ = ["app", "report_folder"]

app = typer.Typer(add_completion=False)


@app.command()
def report(
    run: Annotated[str | None, typer.Argument(help="Name of the run; default: the newest one.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder to write to; default: A3T_HOME/reports/RUN.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write report.html, report.md and report.json from the database; with --json print the report as JSON instead."""
    settings, store = settings_and_store()
    found = collect_report(store, run or _newest(store))
    if as_json:
        emit_json(found)
        return
    for path in write_report(found, out or report_folder(settings, found.run)).values():
        console.print(str(path), highlight=False, soft_wrap=True)


def report_folder(settings: OrchestratorSettings, run: str) -> Path:
    """Default folder of a run's report."""
    return settings.home.expanduser().resolve() / "reports" / run


def _newest(store: Store) -> str:
    with store.session() as session:
        return latest_run(session).name
