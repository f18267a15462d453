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

app = typer.Typer(add_completion=False, help="Import episodes that others recorded, to learn from them.")


@app.command()
def import_(
    file: Annotated[
        Path,
        typer.Argument(
            help="File to read: JSON Lines, one JSON array or Parquet, also packed with gzip; or a folder of such "
            "files."
        ),
    ],
    run: Annotated[
        str | None, typer.Option(help="Name of the run that gets the episodes; default: the name of the file.")
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(
            help=f"Format of the records: {', '.join(_READ)}; default: the format of each record is recognised."
        ),
    ] = None,
    environment: Annotated[str | None, typer.Option(help="Environment of records that do not name one.")] = None,
    split: Annotated[str, typer.Option(help="Split of records that do not name one.")] = "train",
    chosen: Annotated[
        bool,
        typer.Option(
            "--chosen",
            help="From pairs (`chosen` and `rejected`, for DPO), import the chosen episode as a demonstration; "
            "default: refuse pairs.",
        ),
    ] = False,
    names: Annotated[
        list[Path] | None,
        typer.Option(
            help="File that maps other projects' task names to task ids: a JSON object, or records with `item_id` "
            "and `task_id`, as AgentGym's servers have them; may be repeated."
        ),
    ] = None,
    skip_broken: Annotated[
        bool,
        typer.Option(
            "--skip-broken", help="Leave out records that cannot be read; default: import nothing if there is one."
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Read the file and show what is in it; store nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Import episodes that others recorded, as a finished run. Formats: AgentTraj, ShareGPT as in ETO, messages, ATIF,
    and A³T's own.

    A recipe with `round0.mode: imported` and `round0.source: RUN` trains its first adapter on them.

    Example: `a3t import episodes.jsonl --run theirs --dry-run`
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
        raise InvalidInputError(f"No name for the run can be made from {file}.", hint="Name it with --run.")
    return allowed[:128]


def _show(done: Imported, *, stored: bool) -> None:
    counts = {
        "without success": done.episodes - done.successes,
        "without a reason for some action": done.without_reasons,
        "repeated": done.repeated,
        "left out": done.broken,
        "with a task found by --names": done.named,
    }
    told = "".join(f", {count} {name}" for name, count in counts.items() if count)
    forms = ", ".join(f"{count} {name}" for name, count in done.formats.items())
    if not stored:
        console.print(f"{done.episodes} episodes{told} could be imported ({forms}); nothing is stored", highlight=False)
        return
    console.print(f"{done.episodes} episodes{told}: run {done.run} ({forms})", highlight=False)
    console.print(
        f"`a3t run RECIPE --set round0.mode=imported --set round0.source={done.run}` trains its first adapter on them.",
        highlight=False,
    )
