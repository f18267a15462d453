"""`a3t run`."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.console import Console

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import ConflictError, InvalidInputError

from ..driver.context import RunContext
from ..driver.lease import driver_of, follow
from ..driver.loop import drive
from ..driver.start import begin_run
from ..embedded import stack_for
from ..recipe import Recipe, load_recipe, recipe_hash
from ..report.collect import collect_report
from ..report.text import print_rounds
from ..settings import OrchestratorSettings
from ..store import Store, extend_run, get_run, revive_lost, unfinished_run
from .common import FastOption, RecipeArgument, SetOption, open_store, quiet_logs, run_async
from .live import LiveProgress

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
    as_json: JsonOption = False,
) -> None:
    """Run a recipe to its end. Phases that are done already are not repeated."""
    settings = OrchestratorSettings()
    quiet_logs(settings)
    if resume and source:
        raise InvalidInputError("--resume goes on with a run, --from begins another one.", hint="Give one of them.")
    given = list(overrides or ())
    recipe = load_recipe(config, fast=fast, overrides=given if rounds is None else [*given, f"rounds={rounds}"])
    screen = errors_console if as_json else console
    store = open_store(settings)
    resumed = None
    if source is not None:
        with store.session() as session:
            get_run(session, source)
    if resume:
        resumed, recipe = _resumable(store, recipe, name, rounds, screen)
    finished = run_async(execute(settings, store, recipe, name=name, resumed=resumed, source=source, screen=screen))
    _show_result(store, finished, as_json)


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
    """Start (or find) what is needed, begin (or go on with) the run, drive it to its end; its name.

    Args:
        source: a run that a new one begins with, as far as their recipes agree.
    """
    with LiveProgress(screen) as progress:
        if resumed is not None and driver_of(store, resumed) and await follow(store, resumed, progress):
            return resumed
        note = lambda text: progress.note(0, text, "warn")  # noqa: E731
        async with stack_for(settings, recipe.base_model, note) as live:
            run_name = resumed or await begin_run(store, live, recipe, name, source)
            screen.print(f"Run [bold]{run_name}[/bold]", highlight=False)
            await drive(RunContext(store, live, run_name, recipe, progress))
    return run_name


def _resumable(
    store: Store, recipe: Recipe, name: str | None, rounds: int | None, screen: Console
) -> tuple[str, Recipe]:
    """The run to go on with, and the recipe that it began with, with more rounds where they are asked for."""
    with store.session() as session:
        found = get_run(session, name) if name else unfinished_run(session, recipe.name)
        begun = Recipe.model_validate(found.recipe)
        if found.recipe_sha256 != recipe_hash(recipe.model_copy(update={"rounds": begun.rounds})):
            screen.print(f"The recipe has changed since {found.name} began; the run keeps the one it began with.")
        driven = driver_of(store, found.name) is not None
        if rounds is not None and rounds > begun.rounds:
            if driven:
                raise ConflictError(f"The run {found.name} is running.", hint="Ask for more rounds when it has ended.")
            begun = extend_run(session, found.name, rounds)
        elif found.status == "finished":
            raise ConflictError(
                f"The run {found.name} is finished after round {begun.rounds}.",
                hint=f"`--rounds {begun.rounds + 1}` adds one. Leave --resume out to begin another run.",
            )
        if not driven:
            revive_lost(session, found.name)
        return found.name, begun


def _show_result(store: Store, name: str, as_json: bool) -> None:
    report = collect_report(store, name)
    if as_json:
        emit_json(report)
        return
    print_rounds(report)
    console.print(f"`a3t report {name}` writes the report.", highlight=False)
