"""`a3t ablate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.tables import print_table

from ..ablation.collect import collect_comparison
from ..ablation.plan import PlannedRun, arm_to_compare_with, load_ablation, planned_runs
from ..ablation.write import comparison_about, comparison_notes, comparison_table, write_comparison
from ..driver.branch import has_shared
from ..embedded import stack_for
from ..settings import OrchestratorSettings
from ..store import Store, resume_run, run_statuses
from .common import open_store, quiet_logs, run_async
from .report import report_folder
from .run import execute

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command()
def ablate(
    config: Annotated[Path, typer.Argument(help="YAML file of the comparison: recipe, arms and seeds.")] = Path(
        "configs/ablations/method.yaml"
    ),
    arms: Annotated[
        list[str] | None, typer.Option("--arm", help="Run only this arm; may be repeated. Default: all arms.")
    ] = None,
    seeds: Annotated[
        list[int] | None, typer.Option("--seed", help="Run only this seed; may be repeated. Default: all seeds.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(help="Arm from which the table's differences are taken; default: the first arm of the table."),
    ] = None,
    report_only: Annotated[
        bool, typer.Option("--report", help="Start no run; only write the table from the runs that are finished.")
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder for comparison.md, .json and .svg; default: A3T_HOME/reports/NAME.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Run every arm of a comparison with every seed, and write a table with confidence intervals.

    A comparison (ablation) runs one recipe with and without changes; each variant is an arm. A run begins with copies
    of the phases of the first arm's run with the same seed, up to the first phase in which their recipes differ, so
    that arms differ only in what they change. When called again, the command keeps finished runs and continues an
    interrupted one.

    Example: `a3t ablate configs/ablations/method.yaml --seed 1`
    """
    settings = OrchestratorSettings()
    quiet_logs(settings)
    ablation = load_ablation(config)
    runs = planned_runs(ablation, config.parent, arms=arms or (), seeds=seeds or ())
    against = arm_to_compare_with(ablation, runs, against)
    store = open_store(settings)
    screen = errors_console if as_json else console
    if not report_only:
        run_async(_run_all(settings, store, runs, screen))
    comparison = collect_comparison(store, ablation, runs, against)
    paths = write_comparison(comparison, out or report_folder(settings, ablation.name))
    if as_json:
        emit_json(comparison)
        return
    heads, rows = comparison_table(comparison)
    print_table(heads, rows, title=comparison.name, caption=comparison_about(comparison))
    for line in comparison_notes(comparison):
        console.print(line, markup=False, highlight=False)
    for path in paths.values():
        console.print(str(path), highlight=False, soft_wrap=True)


async def _run_all(settings: OrchestratorSettings, store: Store, runs: list[PlannedRun], screen: Console) -> None:
    """Carry out the runs that are not finished, one after the other, with one stack of services for each base model."""
    left = [run for run in runs if _status(store, run.name) != "finished"]
    for base_model in dict.fromkeys(run.recipe.base_model for run in left):
        async with stack_for(settings, base_model) as live:
            for run in (r for r in left if r.recipe.base_model == base_model):
                screen.print(f"[bold]{run.name}[/bold], {left.index(run) + 1} of {len(left)}", highlight=False)
                begun = _begun(store, run.name)
                source = run.source if _shares(store, run) else None
                await execute(live, store, run.recipe, name=run.name, resumed=begun, source=source, screen=screen)


def _shares(store: Store, run: PlannedRun) -> bool:
    return (
        run.source is not None
        and _status(store, run.source) == "finished"
        and has_shared(store, run.source, run.recipe)
    )


def _begun(store: Store, name: str) -> str | None:
    """Prepare an existing run to be continued, its lost episodes included, and return its name; None if it has not
    begun."""
    if _status(store, name) is None:
        return None
    with store.session() as session:
        resume_run(session, name)
    return name


def _status(store: Store, name: str) -> str | None:
    with store.session() as session:
        return run_statuses(session, [name]).get(name)
