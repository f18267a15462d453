"""`a3t demo`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import NotFoundError, UpstreamError

from ..recipe import load_recipe
from ..report.collect import collect_report
from ..report.text import print_rounds
from ..report.write import write_report
from ..settings import OrchestratorSettings
from .common import open_store, quiet_logs, run_async
from .report import report_folder
from .run import execute

__all__ = ["app"]

app = typer.Typer()

_GENERATE = {
    "alfworld": ["generate", "alfworld", "--games", "500"],
    "webshop": ["generate", "webshop", "--products", "1000"],
}
_RECIPE = {"alfworld": ("demo.yaml", False), "webshop": ("webshop-tiny.yaml", True)}
"""Environment → recipe, and whether its `fast` section applies."""


@app.command()
def demo(
    environment: Annotated[
        Literal["alfworld", "webshop"], typer.Option(help="On which generated tasks the agent plays.")
    ] = "alfworld",
    config: Annotated[Path | None, typer.Option(help="Another recipe than the environment's own.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Generate tasks, run the whole loop on them, write a report. Needs no GPU, no server, no download."""
    started = time.monotonic()
    settings = OrchestratorSettings()
    quiet_logs(settings)
    screen = errors_console if as_json else console
    own, fast = _RECIPE[environment]
    recipe = load_recipe(config or _own_recipe(own), fast=fast and config is None, overrides=overrides or ())
    _generate_data(recipe.environment, screen)
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
        console.print(f"An episode with sampled steps: a3t trajectories show {report.examples[0].id}", highlight=False)


def _own_recipe(name: str) -> Path:
    """A recipe of the project's folder, from wherever the command is called."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (folder / "configs" / name).is_file():
            return folder / "configs" / name
    raise NotFoundError(f"There is no configs/{name} here.", hint="Call it in the project's folder, or give --config.")


def _generate_data(environment: str, screen: Console) -> None:
    """`a3t data generate` of the env package, which keeps what is there already."""
    screen.print(f"Generating tasks for {environment} …")
    command = [sys.executable, "-m", "a3t_orchestrator.cli", "data", *_GENERATE[environment]]
    finished = subprocess.run(command, check=False, stdout=sys.stderr if screen.stderr else None)  # noqa: S603
    if finished.returncode != 0:
        raise UpstreamError("The tasks could not be generated; the reason stands above.")
