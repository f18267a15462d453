"""`a3t runs`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.tables import print_table

from ..report.collect import collect_report
from ..report.text import print_rounds
from ..store import Event, Run, events, list_runs
from .common import settings_and_store

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True, add_completion=False)


@app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Largest number of runs, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List runs; `a3t runs show RUN` shows one."""
    if context.invoked_subcommand is not None:
        return
    _, store = settings_and_store()
    with store.session() as session:
        found = [_summary(run) for run in list_runs(session, limit)]
    if as_json:
        emit_json(found)
        return
    if not found:
        console.print("There is no run yet. Start one with `a3t demo` or `a3t run CONFIG`.")
        return
    keys = ("run", "environment", "status", "round", "phase", "created_at")
    heads = ("run", "environment", "status", "round", "phase", "begun")
    print_table(heads, [[str(row[key]) for key in keys] for row in found])


@app.command()
def show(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    lines: Annotated[int, typer.Option(min=1, max=10_000, help="Number of last events to show.")] = 50,
    as_json: JsonOption = False,
) -> None:
    """Show a run's rounds and its last events, including episodes that were lost or given up."""
    _, store = settings_and_store()
    report = collect_report(store, run)
    with store.session() as session:
        told = events(session, run, limit=100_000)[-lines:]
    if as_json:
        emit_json(report.model_dump(mode="json") | {"events": [_event(e) for e in told]})
        return
    print_rounds(report)
    for event in told:
        style = {"warn": "yellow", "error": "red"}.get(event.level, "")
        console.print(f"{event.at:%H:%M:%S} round {event.round} {event.message}", style=style, highlight=False)


def _summary(run: Run) -> dict[str, Any]:
    return {
        "run": run.name,
        "environment": run.environment,
        "status": run.status,
        "round": run.round,
        "phase": run.phase,
        "created_at": f"{run.created_at:%Y-%m-%d %H:%M}",
        "error": run.error,
    }


def _event(event: Event) -> dict[str, Any]:
    return {
        "id": event.id,
        "round": event.round,
        "at": event.at,
        "level": event.level,
        "kind": event.kind,
        "message": event.message,
        "data": event.data,
    }
