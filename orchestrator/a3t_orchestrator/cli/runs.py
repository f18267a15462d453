"""`a3t runs`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Annotated, Any

import typer

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.schemas import RunEvent, RunInfo, Wanted
from a3t_contracts.tables import print_table

from ..gateway import patiently
from ..report.collect import collect_report
from ..report.model import Report
from ..report.text import print_rounds
from ..settings import OrchestratorSettings
from ..store import Run, events, list_runs
from .common import quiet_logs, run_async, settings_and_store
from .live import LiveProgress
from .service import by_service, follow_run, service_client

__all__ = ["app"]

app = typer.Typer(invoke_without_command=True, add_completion=False)

_PATIENCE_SECONDS = 60.0
RunName = Annotated[str, typer.Argument(help="Name of the run.", show_default=False)]


@app.callback()
def runs(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Largest number of runs, the newest first.")] = 20,
    as_json: JsonOption = False,
) -> None:
    """List runs, the newest first. `a3t runs show RUN` shows one of them."""
    if context.invoked_subcommand is not None:
        return
    found = [_summary(run) for run in _newest(limit)]
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
    """Show the scores of a run's rounds, and its last events, including episodes that were lost or given up.

    Example: `a3t runs show demo-1 --lines 20`
    """
    report, told = by_service(lambda client: _told(client, run)) or _stored(run)
    told = told[-lines:]
    if as_json:
        emit_json(report.model_dump(mode="json") | {"events": [event.model_dump() for event in told]})
        return
    print_rounds(report)
    for event in told:
        style = {"warn": "yellow", "error": "red"}.get(event.level, "")
        console.print(f"{event.at:%H:%M:%S} round {event.round} {event.message}", style=style, highlight=False)


@app.command()
def follow(run: RunName) -> None:
    """Show a run's progress until it ends. Ctrl-C ends only this command, not the run."""

    async def watch(client: OrchestratorClient) -> None:
        events_before = await patiently(lambda: _last_event(client, run), _PATIENCE_SECONDS)
        with LiveProgress(console) as progress:
            await follow_run(client, run, progress, events_before)
        console.print(f"The run {run} is finished. `a3t report {run}` writes the report.", highlight=False)

    _ask(watch)


@app.command()
def pause(run: RunName) -> None:
    """Pause a run: no further work is sent. Episodes that are being played are finished and kept. `a3t runs resume`
    continues the run."""
    _ask(lambda client: _change(client.pause(run)))


@app.command()
def resume(
    run: RunName,
    rounds: Annotated[
        int | None, typer.Option(help="New number of rounds after round 0, more than the run has; default: unchanged.")
    ] = None,
) -> None:
    """Continue a run that is paused, failed, interrupted or cancelled. Episodes that it gave up are tried again. With
    --rounds also a finished run can be continued.

    Example: `a3t runs resume demo-1 --rounds 4`
    """
    _ask(lambda client: _change(client.resume(run, rounds)))


@app.command()
def cancel(run: RunName) -> None:
    """End a run: waiting work is dropped and its training job is cancelled. Results so far are kept."""
    _ask(lambda client: _change(client.cancel(run)))


@app.command()
def delete(
    run: RunName,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a run with its trajectories and events. Its adapter versions stay in the registry."""
    if not yes:
        typer.confirm(f"Remove {run} with all its trajectories?", abort=True)

    async def remove(client: OrchestratorClient) -> None:
        gone = await client.delete(run)
        console.print(f"Removed {run} with {gone.trajectories} trajectories. {gone.note}", highlight=False)

    _ask(remove)


def _newest(limit: int) -> Sequence[Run | RunInfo]:
    """Read the newest runs from the database, or from the service if no database is configured."""
    told = by_service(lambda client: client.runs(min(limit, 1000)))
    if told is not None:
        return told
    _, store = settings_and_store()
    with store.session() as session:
        return list_runs(session, limit)


def _stored(run: str) -> tuple[Report, list[RunEvent]]:
    """Read the report and the events of a run from the database."""
    _, store = settings_and_store()
    report = collect_report(store, run)
    with store.session() as session:
        return report, [RunEvent.model_validate(event) for event in events(session, run, limit=100_000)]


async def _told(client: OrchestratorClient, run: str) -> tuple[Report, list[RunEvent]]:
    """Read the report and the events of a run from the orchestrator service."""
    report, told = Report.model_validate(await client.report(run)), list[RunEvent]()
    while page := await client.events(run, told[-1].id if told else 0, 1000):
        told += page
    return report, told


def _ask(work: Callable[[OrchestratorClient], Coroutine[Any, Any, None]]) -> None:
    settings = OrchestratorSettings()
    quiet_logs(settings)

    async def asked() -> None:
        async with service_client(settings) as client:
            await work(client)

    run_async(asked())


async def _change(call: Awaitable[RunInfo]) -> None:
    run = await call
    on_its_way = "" if run.wanted is Wanted.running or not run.status.active else f", asked to be {run.wanted}"
    console.print(f"The run {run.name} is {run.status}{on_its_way}.", highlight=False)


async def _last_event(client: OrchestratorClient, run: str) -> int:
    """Return the id of the last event so far, after which following begins. `a3t runs show` shows earlier events."""
    last = 0
    while page := await client.events(run, last, 1000):
        last = page[-1].id
    return last


def _summary(run: Run | RunInfo) -> dict[str, Any]:
    return {
        "run": run.name,
        "environment": run.environment,
        "status": run.status,
        "round": run.round,
        "phase": run.phase,
        "created_at": f"{run.created_at:%Y-%m-%d %H:%M}",
        "error": run.error,
    }
