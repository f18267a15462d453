"""`a3t export`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from a3t_contracts.cli import JsonOption, console, emit_json, progress_bar
from a3t_contracts.errors import InvalidInputError

from ..interchange.export import ExportOrder, Outcome, exported_rows, total_of, write_export
from ..interchange.format import RowOptions
from ..interchange.formats import all_formats
from ..interchange.hub import push_dataset
from ..interchange.sinks import json_text
from ..settings import OrchestratorSettings
from ..store import EpisodeFilter, Store
from .common import settings_and_store
from .episode_options import takes_episode_filter

__all__ = ["app", "export"]

app = typer.Typer(add_completion=False, help="Write a run's episodes to a file that trainers read.")


@app.command(epilog=" · ".join(f"{one.name}: {one.title}." for one in all_formats().values()))
@takes_episode_filter
def export(
    run: Annotated[str, typer.Argument(help="Name of the run.")],
    format: Annotated[str, typer.Option(help=f"Format of the rows: {', '.join(all_formats())}.")] = "a3t",
    to: Annotated[
        Path | None,
        typer.Option(
            help="A file whose name ends in .jsonl, .json (one array) or .parquet (the first two also with .gz), or "
            "a folder, which gets the layout of Hugging Face datasets. Default: JSON Lines to standard output."
        ),
    ] = None,
    *,
    where: EpisodeFilter,
    outcome: Annotated[
        Outcome | None,
        typer.Option(
            help="Only successes or only failures. Default: successes in the formats messages, conversations and "
            "sharegpt, whose episodes are imitated; all episodes in the other formats.",
        ),
    ] = None,
    trained_in: Annotated[
        int | None, typer.Option(min=0, help="Only episodes in the training set of this round.")
    ] = None,
    loss_flags: Annotated[
        bool,
        typer.Option(
            "--loss-flags",
            help="In the format messages: add `weight`, 0 for turns that the environment refused and 1 for the others.",
        ),
    ] = False,
    push_to: Annotated[
        str | None, typer.Option(metavar="REPO", help="Push the folder to this dataset on the Hugging Face Hub.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a run's episodes to a file that trainers read. When called again after an interruption, the command
    continues the file.

    Evaluation episodes are left out of the formats for training, unless `--kind evaluation` asks for them.

    Example: `a3t export demo-1 --format messages --to demo.jsonl`
    """
    settings, store = settings_and_store()
    order = ExportOrder(
        run=run,
        format=format,
        where=where,
        outcome=outcome,
        trained_in=trained_in,
        options=RowOptions(loss_flags=loss_flags),
    )
    repository = push_to or _repository(settings, order)
    if to is None and push_to is None:
        _print(store, order)
        return
    target = to or settings.home.expanduser() / "exports" / f"{run}-{format}"
    if push_to and target.suffix in (".jsonl", ".json", ".gz", ".parquet"):
        raise InvalidInputError("--push-to pushes a folder.", hint="Name a folder with --to, or leave --to out.")
    report: dict[str, Any] = _write(store, order, target)
    if repository and (push_to or target.is_dir()):
        report["pushed_to"] = push_dataset(target, repository, private=settings.hub_private)
    emit_json(report) if as_json else _show(report)


def _write(store: Store, order: ExportOrder, target: Path) -> dict[str, Any]:
    with progress_bar() as progress:
        bar = progress.add_task("exporting", total=total_of(store, order))
        done = write_export(store, order, target, lambda episodes: progress.advance(bar, episodes))
    return {"to": str(target), "format": order.format, **asdict(done)}


def _print(store: Store, order: ExportOrder) -> None:
    total_of(store, order)
    for rows, _, _ in exported_rows(store, order):
        for row in rows:
            sys.stdout.write(json_text(row) + "\n")


def _repository(settings: OrchestratorSettings, order: ExportOrder) -> str | None:
    return f"{settings.hub_namespace}/{order.run}-{order.format}" if settings.hub_namespace else None


def _show(report: dict[str, Any]) -> None:
    console.print(f"{report['rows']} rows in the format {report['format']}: {report['to']}", highlight=False)
    if "pushed_to" in report:
        console.print(f"Pushed to {report['pushed_to']}", highlight=False)
