"""`a3t import`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console, progress_bar
from a3t_contracts.errors import InvalidInputError

from ..interchange.formats import all_formats
from ..interchange.intake import Imported, ImportOrder, import_file
from ..interchange.names import read_names
from .common import settings_and_store

__all__ = ["app"]

_READ = [one.name for one in all_formats().values() if one.read or one.read_chosen]

app = typer.Typer(add_completion=False, help="Take in episodes that others recorded, to learn from.")


@app.command()
def import_(
    file: Annotated[
        Path,
        typer.Argument(help="JSON Lines, one JSON array, Parquet, any of them packed with gzip, or a folder of such."),
    ],
    run: Annotated[
        str | None, typer.Option(help="Name under which the episodes are stored. Unset: the name of the file.")
    ] = None,
    format: Annotated[
        str | None, typer.Option(help=f"Form of the records: {', '.join(_READ)}. Unset: each is recognised.")
    ] = None,
    environment: Annotated[str | None, typer.Option(help="Environment of records that name none.")] = None,
    split: Annotated[str, typer.Option(help="Split of records that name none.")] = "train",
    chosen: Annotated[
        bool,
        typer.Option(
            "--chosen",
            help="Of pairs (`chosen` and `rejected`, for DPO), take in the chosen episode as a demonstration. Without "
            "it, pairs are refused.",
        ),
    ] = False,
    names: Annotated[
        list[Path] | None,
        typer.Option(
            help="File that says which task a name means: an object of names and tasks, or records with `item_id` and "
            "`task_id`, as AgentGym's servers have them; repeatable."
        ),
    ] = None,
    skip_broken: Annotated[
        bool,
        typer.Option("--skip-broken", help="Leave out what cannot be read. Without it, nothing is imported then."),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the file and say what is in it; store nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Take in episodes that others recorded: AgentTraj, ShareGPT as ETO has it, messages, ATIF, and our own.

    They are stored as a finished run. A recipe with `round0.mode: imported` and `round0.source: NAME` learns from them
    first.
    """
    _, store = settings_and_store()
    table = read_names(names) if names else None
    order = ImportOrder(run or _name_of(file), format, environment, split, chosen, table, skip_broken, dry_run)
    with progress_bar() as progress:
        bar = progress.add_task("importing", total=None)
        done = import_file(store, file, order, lambda records: progress.advance(bar, records))
    for problem in done.problems:
        errors_console.print(f"left out: {problem}", markup=False, highlight=False)
    emit_json(asdict(done)) if as_json else _show(done, stored=not dry_run)


def _name_of(file: Path) -> str:
    name = file.resolve().name.split(".")[0]
    allowed = "".join(c if c.isascii() and (c.isalnum() or c in "._-") else "-" for c in name).strip("._-")
    if not allowed:
        raise InvalidInputError(f"{file} gives no name for a run.", hint="Name it with --run.")
    return allowed[:128]


def _show(done: Imported, *, stored: bool) -> None:
    counts = {
        "without success": done.episodes - done.successes,
        "without a reason for some action": done.without_reasons,
        "repeated": done.repeated,
        "left out": done.broken,
        "with a task that --names tells": done.named,
    }
    told = "".join(f", {count} {name}" for name, count in counts.items() if count)
    forms = ", ".join(f"{count} {name}" for name, count in done.formats.items())
    if not stored:
        console.print(f"{done.episodes} episodes{told} could be imported ({forms}); nothing is stored", highlight=False)
        return
    console.print(f"{done.episodes} episodes{told}: run {done.run} ({forms})", highlight=False)
    console.print(
        f"`a3t run RECIPE --set round0.mode=imported --set round0.source={done.run}` learns from them first.",
        highlight=False,
    )
