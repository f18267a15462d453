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
            help="Begin with copies of the phases of this run that the recipe would carry out in the same way.",
        ),
    ] = None,
    rounds: Annotated[
        int | None,
        typer.Option(
            help="Number of rounds after round 0, in place of the recipe's; with --resume and --name also for a "
            "finished run."
        ),
    ] = None,
    fast: FastOption = False,
    overrides: SetOption = None,
    stop_on_exit: Annotated[
        bool, typer.Option("--stop-on-exit", help="Pause the run when this command is interrupted.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run a recipe to its end. Phases that are done already are not repeated.

    The orchestrator service drives the run: that of A3T_ORCHESTRATOR_URL or of `a3t up`, and then Ctrl-C ends only this
    command. If none runs, this command starts one, which ends with it.
    """
    settings = OrchestratorSettings()
    quiet_logs(settings)
    if resume and source:
        raise InvalidInputError("--resume goes on with a run, --from begins another one.", hint="Give one of them.")
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
    """Start (or find) what is needed, begin (or go on with) the run, see it driven to its end; its name.

    Args:
        resumed: a run that was made ready to go on, instead of a new one.
        source: a run that a new one begins with, as far as their recipes agree.
    """
    shown = _Shown(resumed)
    try:
        with LiveProgress(screen) as progress:
            note = lambda text: progress.note(0, text, "warn")  # noqa: E731
            async with stack_for(settings, recipe.base_model, note) as live:
                shown.own = is_own_stack(live)
                if live.orchestrator_url is None:
                    shown.run = None  # the driver itself says how the run ended
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
            words = "waits: the services ended with this command."
            screen.print(f"The run {interrupted} {words} `a3t run … --resume` goes on with it.", highlight=False)
        elif shown.run is not None:
            _say_that_it_goes_on(shown.run, screen)
        raise


class _Shown:
    """What a command that is interrupted has to speak of."""

    def __init__(self, run: str | None) -> None:
        self.run, self.own = run, True

    def show(self, run: str, screen: Console) -> None:
        """The run has begun."""
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
    """Begin, or go on with, a run of the service at `url`, and follow it to its end."""
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
                screen.print(f"The run {run} is paused. `a3t runs resume {run}` goes on with it.", highlight=False)
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
    """Services are configured, but no orchestrator: this process drives the run."""
    if resumed is not None and await follow(store, resumed, progress):
        return resumed
    run = resumed or await begin_run(store, live, recipe, name, source)
    screen.print(f"Run [bold]{run}[/bold]", highlight=False)
    status = await drive(RunContext(store, live, run, recipe, progress))
    if status is not RunStatus.finished:
        raise A3TError(f"The run {run} is {status}.", hint=f"`a3t run … --resume --name {run}` goes on with it.")
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
        f"The run {run} goes on without this command. `a3t runs follow {run}` shows it again, "
        f"`a3t runs pause {run}` and `a3t runs cancel {run}` stop it.",
        highlight=False,
    )


def _resumable(
    store: Store, recipe: Recipe, name: str | None, rounds: int | None, screen: Console
) -> tuple[str, Recipe]:
    """The run to go on with, and the recipe that it began with, with more rounds where they are asked for."""
    with store.session() as session:
        found = get_run(session, name) if name else unfinished_run(session, recipe.name)
        begun = Recipe.model_validate(found.recipe)
        if found.recipe_sha256 != recipe_hash(recipe.model_copy(update={"rounds": begun.rounds})):
            screen.print(f"The recipe has changed since {found.name} began; the run keeps the one it began with.")
        return found.name, Recipe.model_validate(resume_run(session, found.name, rounds).recipe)


def _show_result(report: Report, as_json: bool) -> None:
    if as_json:
        emit_json(report)
        return
    print_rounds(report)
    console.print(f"`a3t report {report.run}` writes the report.", highlight=False)
