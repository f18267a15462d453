"""`a3t run`."""

from __future__ import annotations

import asyncio
import uuid
from typing import Annotated

import typer
from rich.console import Console

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.errors import A3TError, InvalidInputError, NotFoundError
from a3t_contracts.schemas import RunCreate, RunStatus

from ..driver.context import RunContext
from ..driver.lease import follow
from ..driver.loop import drive
from ..driver.start import begin_run
from ..embedded import is_own_stack, stack_for
from ..recipe import Recipe, load_recipe, recipe_hash
from ..report.collect import collect_report
from ..report.model import Report
from ..report.text import print_rounds
from ..settings import OrchestratorSettings
from ..store import Store, get_run, interrupt_run, resume_run, unfinished_run
from .common import FastOption, RecipeArgument, SetOption, open_store, quiet_logs, run_async
from .live import LiveProgress
from .service import client_of, follow_run, orchestrator_url

__all__ = ["app", "execute"]

app = typer.Typer(add_completion=False)


@app.command()
def run(
    config: RecipeArgument,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the newest unfinished run of the recipe.")] = False,
    name: Annotated[
        str | None, typer.Option(help="Name of the new run, or, with --resume, of the run to continue.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Name of a run whose phases are copied, up to the first phase in which the two recipes differ.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="Number of rounds after round 0; default: the recipe's. With --resume and --name, a finished run "
            "can get more rounds."
        ),
    ] = None,
    fast: FastOption = False,
    overrides: SetOption = None,
    stop_on_exit: Annotated[
        bool,
        typer.Option(
            "--stop-on-exit",
            help="Pause the run when this command is interrupted; default: the service continues the run.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a recipe to its end: play, ask for reasons, train, evaluate, round by round. Phases that are already done are
    not repeated.

    If an orchestrator service runs (A3T_ORCHESTRATOR_URL, or the one of `a3t up`), it drives the run, and Ctrl-C ends
    only this command. Otherwise this command starts the services and stops them at its end.

    Example: `a3t run configs/demo.yaml --fast --name trial --set rounds=1`
    """
    settings = OrchestratorSettings()
    quiet_logs(settings)
    if resume and source:
        raise InvalidInputError(
            "--resume continues a run and --from begins a new one; they cannot be combined.", hint="Give one of them."
        )
    given = list(overrides or ())
    recipe = load_recipe(config, fast=fast, overrides=given if rounds is None else [*given, f"rounds={rounds}"])
    screen = errors_console if as_json else console
    url = orchestrator_url(settings)
    if url is not None:
        work = _through_service(settings, url, recipe, screen, name, source, resume, rounds, stop_on_exit)
        _show_result(run_async(work), as_json)
        return
    store = open_store(settings)
    resumed = None
    if source is not None:
        with store.session() as session:
            get_run(session, source)
    if resume:
        resumed, recipe = _resumable(store, recipe, name, rounds, screen)
    finished = run_async(execute(settings, store, recipe, name=name, resumed=resumed, source=source, screen=screen))
    _show_result(collect_report(store, finished), as_json)


async def execute(
    settings: OrchestratorSettings,
    store: Store,
    recipe: Recipe,
    *,
    name: str | None,
    resumed: str | None,
    screen: Console,
    source: str | None = None,
) -> str:
    """Start the services where none run, begin or continue the run, wait until it has ended, and return its name.

    Args:
        resumed: name of a run that is continued; None begins a new run.
        source: name of a run whose phases a new run copies, up to the first phase in which the recipes differ.
    """
    shown = _Shown(resumed)
    try:
        with LiveProgress(screen) as progress:
            note = lambda text: progress.note(0, text, "warn")  # noqa: E731
            async with stack_for(settings, recipe.base_model, note) as live:
                shown.own = is_own_stack(live)
                if live.orchestrator_url is None:
                    shown.run = None  # the driver itself reports how the run ended
                    return await _drive_here(live, store, recipe, progress, screen, name, resumed, source)
                async with client_of(live, live.orchestrator_url) as client:
                    run = resumed or await _begin(client, recipe, name, source)
                    shown.show(run, screen)
                    await follow_run(client, run, progress)
                    return run
    except asyncio.CancelledError:
        if shown.run is not None and shown.own:
            interrupted = shown.run
            await store.do(lambda session: interrupt_run(session, interrupted))
            words = "has stopped, because the services ended with this command."
            screen.print(f"The run {interrupted} {words} `a3t run … --resume` continues it.", highlight=False)
        elif shown.run is not None:
            _say_that_it_goes_on(shown.run, screen)
        raise


class _Shown:
    """The run that an interrupted command reports on. `own`: whether its services end with the command."""

    def __init__(self, run: str | None) -> None:
        self.run, self.own = run, True

    def show(self, run: str, screen: Console) -> None:
        """Print the name of the run that has begun."""
        self.run = run
        screen.print(f"Run [bold]{run}[/bold]", highlight=False)


async def _through_service(
    settings: OrchestratorSettings,
    url: str,
    recipe: Recipe,
    screen: Console,
    name: str | None,
    source: str | None,
    resume: bool,
    rounds: int | None,
    stop_on_exit: bool,
) -> Report:
    """Begin or continue a run of the service at `url`, and follow it to its end."""
    async with client_of(settings, url) as client:
        if resume:
            run = name or await _newest_unfinished(client, recipe.name)
            await client.resume(run, rounds)
        else:
            run = await _begin(client, recipe, name, source)
        screen.print(f"Run [bold]{run}[/bold]", highlight=False)
        try:
            with LiveProgress(screen) as progress:
                await follow_run(client, run, progress)
        except asyncio.CancelledError:
            if stop_on_exit:
                await client.pause(run)
                screen.print(f"The run {run} is paused. `a3t runs resume {run}` continues it.", highlight=False)
            else:
                _say_that_it_goes_on(run, screen)
            raise
        return Report.model_validate(await client.report(run))


async def _drive_here(
    live: OrchestratorSettings,
    store: Store,
    recipe: Recipe,
    progress: LiveProgress,
    screen: Console,
    name: str | None,
    resumed: str | None,
    source: str | None,
) -> str:
    """Drive the run in this process, where services are configured but no orchestrator service."""
    if resumed is not None and await follow(store, resumed, progress):
        return resumed
    run = resumed or await begin_run(store, live, recipe, name, source)
    screen.print(f"Run [bold]{run}[/bold]", highlight=False)
    status = await drive(RunContext(store, live, run, recipe, progress))
    if status is not RunStatus.finished:
        raise A3TError(f"The run {run} is {status}.", hint=f"`a3t run … --resume --name {run}` continues it.")
    return run


async def _begin(client: OrchestratorClient, recipe: Recipe, name: str | None, source: str | None) -> str:
    request = RunCreate(recipe=recipe.model_dump(mode="json"), name=name, source=source)
    return (await client.begin(request, key=uuid.uuid4().hex)).name


async def _newest_unfinished(client: OrchestratorClient, recipe: str) -> str:
    for run in await client.runs(limit=1000):
        if run.recipe == recipe and run.status is not RunStatus.finished:
            return run.name
    raise NotFoundError(f"There is no unfinished run of {recipe!r} to resume.", hint="`a3t runs` lists the runs.")


def _say_that_it_goes_on(run: str, screen: Console) -> None:
    screen.print(
        f"The run {run} continues without this command. `a3t runs follow {run}` shows its progress; `a3t runs pause "
        f"{run}` and `a3t runs cancel {run}` stop it.",
        highlight=False,
    )


def _resumable(
    store: Store, recipe: Recipe, name: str | None, rounds: int | None, screen: Console
) -> tuple[str, Recipe]:
    """Return the run to continue and the recipe that it began with, with more rounds if they are asked for."""
    with store.session() as session:
        found = get_run(session, name) if name else unfinished_run(session, recipe.name)
        begun = Recipe.model_validate(found.recipe)
        if found.recipe_sha256 != recipe_hash(recipe.model_copy(update={"rounds": begun.rounds})):
            screen.print(
                f"The recipe has changed since {found.name} began; the run keeps the recipe that it began with."
            )
        return found.name, Recipe.model_validate(resume_run(session, found.name, rounds).recipe)


def _show_result(report: Report, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    print_rounds(report)
    console.print(f"`a3t report {report.run}` writes the report.", highlight=False)
