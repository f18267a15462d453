"""`a3t demo`."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError, NotFoundError, UpstreamError

from ..recipe import load_recipe, shipped_folder
from ..report.collect import collect_report
from ..report.text import print_rounds
from ..report.write import write_report
from ..settings import OrchestratorSettings
from .common import SetOption, open_store, quiet_logs, run_async
from .report import report_folder
from .run import execute

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def demo(
    environment: Annotated[
        str | None, typer.Option(help="Environment to play; default: that of configs/demo.yaml.", show_default=False)
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            help="YAML file of the recipe; default: the project's demo recipe for the environment.", show_default=False
        ),
    ] = None,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Generate tasks, run the whole training loop on them, and write a report. It needs no GPU, no server and no
    download.

    The loop plays episodes, asks ActRe for the reasons of sampled actions, trains an adapter on the episodes, and
    repeats. The recipe is configs/demo.yaml, or for another environment the file configs/demo*.yaml that names it.

    Example: `a3t demo --set rounds=1`
    """
    started = time.monotonic()
    settings = OrchestratorSettings()
    quiet_logs(settings)
    screen = errors_console if as_json else console
    recipe = load_recipe(config or _own_recipe(environment), overrides=overrides or ())
    if environment not in (None, recipe.environment):
        raise InvalidInputError(
            f"{config} plays in {recipe.environment}, not in {environment}.",
            hint="Leave --environment out, or name a recipe of that environment with --config.",
        )
    if recipe.data.generate is not None:
        _generate_data(recipe.environment, recipe.data.generate, screen)
    store = open_store(settings)
    run = run_async(execute(settings, store, recipe, name=None, resumed=None, screen=screen))
    report = collect_report(store, run)
    paths = write_report(report, report_folder(settings, run))
    if as_json:
        emit_json(report.model_dump(mode="json") | {"files": paths, "total_seconds": time.monotonic() - started})
        return
    print_rounds(report)
    console.print(
        f"{time.monotonic() - started:.0f} s in all. Report: {paths['html']}", highlight=False, soft_wrap=True
    )
    if report.examples:
        console.print(
            f"See an episode with sampled steps: a3t trajectories show {report.examples[0].id}", highlight=False
        )


def _own_recipe(environment: str | None) -> Path:
    """Find the project's demo recipe for an environment. Raises NotFoundError if there is none."""
    recipes = _shipped()
    if not recipes:
        raise NotFoundError(
            "There is no configs/demo.yaml here.", hint="Run the command in the project's folder, or give --config."
        )
    if environment is None:
        return recipes[0]
    found = {load_recipe(path).environment: path for path in reversed(recipes)}
    if environment not in found:
        raise NotFoundError(
            f"There is no recipe configs/demo*.yaml for {environment}, only for {', '.join(sorted(found))}.",
            hint="Write a recipe with `environment` and `data.generate`, and give it by --config.",
        )
    return found[environment]


def _shipped() -> list[Path]:
    """List the project's demo recipes, demo.yaml first. They are found from any working directory."""
    folder = shipped_folder()
    return sorted(folder.glob("demo*.yaml"), key=lambda path: (len(path.name), path.name)) if folder else []


def _generate_data(environment: str, arguments: Sequence[str], screen: Console) -> None:
    """Run `a3t data generate`, which keeps tasks that exist already."""
    screen.print(f"Generating tasks for {environment} …")
    command = [sys.executable, "-m", "a3t_orchestrator.cli", "data", "generate", environment, *arguments]
    finished = subprocess.run(command, check=False, stdout=sys.stderr if screen.stderr else None)  # noqa: S603
    if finished.returncode != 0:
        raise UpstreamError("The tasks could not be generated; the reason is printed above.")
