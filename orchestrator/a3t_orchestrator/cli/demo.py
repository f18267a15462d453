"""`a3t demo`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import console
from a3t_contracts.errors import NotFoundError, UpstreamError

from ..recipe import load_recipe
from ..report.collect import collect_report
from ..report.text import rounds_table
from ..report.write import write_report
from ..settings import OrchestratorSettings
from .common import open_store, quiet_logs, run_async
from .report import report_folder
from .run import execute

__all__ = ["app"]

app = typer.Typer()

_GAMES = "300"


@app.command()
def demo(
    config: Annotated[Path | None, typer.Option(help="Another recipe than configs/demo.yaml.")] = None,
    overrides: Annotated[list[str] | None, typer.Option("--set", help="key.path=value, repeatable.")] = None,
) -> None:
    """Generate games, run the whole loop on them, write a report. Needs no GPU, no server, no download."""
    started = time.monotonic()
    settings = OrchestratorSettings()
    quiet_logs(settings)
    recipe = load_recipe(config or _own_recipe(), overrides=overrides or ())
    if recipe.environment == "alfworld":
        _generate_games()
    store = open_store(settings)
    run = run_async(execute(settings, store, recipe, name=None, resumed=None, screen=console))
    report = collect_report(store, run)
    paths = write_report(report, report_folder(settings, run))
    console.print(rounds_table(report))
    console.print(
        f"{time.monotonic() - started:.0f} s in all. Report: {paths['html']}", highlight=False, soft_wrap=True
    )
    if report.examples:
        console.print(f"An episode with sampled steps: a3t trajectories show {report.examples[0].id}", highlight=False)


def _own_recipe() -> Path:
    """configs/demo.yaml of the project's folder, from wherever the command is called."""
    for folder in (Path.cwd(), *Path(__file__).resolve().parents):
        if (folder / "configs" / "demo.yaml").is_file():
            return folder / "configs" / "demo.yaml"
    raise NotFoundError(
        "There is no configs/demo.yaml here.", hint="Call it in the project's folder, or give --config."
    )


def _generate_games() -> None:
    """`a3t data generate alfworld` of the env package, which keeps what is there already."""
    console.print("Generating ALFWorld games …")
    command = [sys.executable, "-m", "a3t_orchestrator.cli", "data", "generate", "alfworld", "--games", _GAMES]
    finished = subprocess.run(command, check=False)  # noqa: S603
    if finished.returncode != 0:
        raise UpstreamError("The games could not be generated; the reason stands above.")
