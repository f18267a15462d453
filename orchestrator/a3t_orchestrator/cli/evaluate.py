"""`a3t eval`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.console import Console

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.tables import print_table

from ..driver.collect import evaluate_split
from ..driver.context import RunContext
from ..driver.lease import driving
from ..embedded import stack_for
from ..recipe import Recipe
from ..report.collect import collect_report
from ..report.model import Evaluated, Report
from ..report.stats import Score
from ..settings import OrchestratorSettings
from ..store import Store, get_run, latest_run
from .common import open_store, quiet_logs, run_async
from .live import LiveProgress

__all__ = ["app"]

app = typer.Typer(add_completion=False)


@app.command("eval")
def evaluate(
    split: Annotated[str, typer.Option(help="Held-out split of the environment, e.g. test.")],
    run: Annotated[str | None, typer.Option(help="Name of the run; default: the newest one.")] = None,
    round: Annotated[
        int | None, typer.Option(help="Evaluate only the agent (adapter version) of this round; default: all rounds.")
    ] = None,
    tasks: Annotated[
        int | None,
        typer.Option(min=1, help="Number of tasks, drawn by the run's seed; default: all tasks of the split."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Evaluate a run: the agent of each round tries each task of a split once. Trials that are stored already are not
    repeated.

    The table shows each agent's success in its single trial, and accumulated success: the share of tasks that were
    solved in any round so far.

    Example: `a3t eval --run demo-1 --split test --tasks 50`
    """
    settings = OrchestratorSettings()
    quiet_logs(settings)
    store = open_store(settings)
    name, recipe = _run_of(store, run)
    versions = _versions(collect_report(store, name), round)
    screen = errors_console if as_json else console
    run_async(_evaluate(settings, store, name, recipe, versions, split, tasks, screen))
    result = _result(collect_report(store, name), split, sorted(versions))
    if as_json:
        emit_json(result)
    else:
        _show(result)


async def _evaluate(
    settings: OrchestratorSettings,
    store: Store,
    name: str,
    recipe: Recipe,
    versions: dict[int, str],
    split: str,
    count: int | None,
    screen: Console,
) -> None:
    with LiveProgress(screen) as progress:
        async with (
            stack_for(settings, recipe.base_model, lambda text: progress.note(0, text, "warn")) as live,
            driving(store, name, live.run_lease_seconds) as hold,
        ):
            context = RunContext(hold.store, live, name, recipe, progress)
            await evaluate_split(context, versions, split, count)


def _run_of(store: Store, run: str | None) -> tuple[str, Recipe]:
    with store.session() as session:
        found = get_run(session, run) if run else latest_run(session)
        return found.name, Recipe.model_validate(found.recipe)


def _versions(report: Report, number: int | None) -> dict[int, str]:
    found = {r.round: r.version for r in report.rounds if r.version is not None}
    if not found:
        raise InvalidInputError(
            f"The run {report.run} has published no agent yet.",
            hint="Wait until round 0 is trained; `a3t runs show RUN` shows how far it is.",
        )
    if number is None:
        return found
    if number not in found:
        raise NotFoundError(
            f"The run {report.run} has no agent of round {number}; it has agents of the rounds {sorted(found)}.",
            hint="Leave --round out to evaluate all of them.",
        )
    return {number: found[number]}


def _result(report: Report, split: str, rounds: list[int]) -> dict[str, Any]:
    """Return the last agent's single trial, the accumulated score, and the scores of every round."""
    found: dict[int, Evaluated] = {
        r.round: e for r in report.rounds if r.round in rounds for e in r.evaluations if e.split == split
    }
    versions = {r.round: r.version for r in report.rounds}
    last = found[max(found)]
    return {
        "run": report.run,
        "split": split,
        "tasks": last.single.n,
        "round": max(found),
        "version": versions[max(found)],
        "success_rate": last.single.rate,
        "single": last.single,
        "accumulated_success_rate": last.accumulated.rate,
        "accumulated": last.accumulated,
        "by_type": last.by_type,
        "rounds": [
            {"round": n, "version": versions[n], "single": e.single, "accumulated": e.accumulated}
            for n, e in sorted(found.items())
        ],
    }


def _show(result: dict[str, Any]) -> None:
    rows = []
    for row in result["rounds"]:
        single: Score = row["single"]
        scores = (single.percent, row["accumulated"].percent, f"{single.reward:.3f}")
        rows.append([str(row["round"]), row["version"], *scores])
    print_table(
        ("round", "agent", "success", "accumulated", "mean reward"),
        rows,
        title=f"{result['run']} on {result['split']}, {result['tasks']} tasks, one trial each",
    )
