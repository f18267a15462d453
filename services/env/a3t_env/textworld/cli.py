"""The commands of `a3t data … textworld`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.tables import print_table
from a3t_env.cli import DataCommands, data_home

from .challenges import CHALLENGES, HELDOUT_SPLIT, TRAIN_SPLIT
from .generate import require_textworld
from .index import Index, read_index
from .store import add_games, faults_of

__all__ = ["data_commands"]


def generate(
    games: Annotated[int, typer.Option(min=0, help="Games of the split train.")] = 60,
    heldout: Annotated[
        int | None, typer.Option(min=0, help="Games of the split heldout; a fifth of --games by default.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help=f"One of {', '.join(CHALLENGES)}; can be repeated. All by default."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="The same seed makes the same games.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Generate games (splits train, heldout), about two seconds each. Needs no network."""
    types = type_ or list(CHALLENGES)
    for name in types:
        if name not in CHALLENGES:
            raise InvalidInputError(f"There is no task type {name!r}.", hint=f"One of {', '.join(CHALLENGES)}.")
    counts = {TRAIN_SPLIT: games, HELDOUT_SPLIT: games // 5 if heldout is None else heldout}
    with _bar("Generating games") as advance:
        added = add_games(data_home("textworld"), counts, types, seed, advance)
    if as_json:
        emit_json({"added": added.games, "unchanged": added.unchanged})
        return
    for split, count in added.games.items():
        console.print(f"{split}: {count} games added.")
    if added.unchanged:
        console.print(f"{added.unchanged} games were here already.")


def list_(
    split: Annotated[str | None, typer.Option(help="Show the tasks of this split.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show splits with their numbers of games, or the tasks of one split."""
    index = read_index(data_home("textworld"))
    if split is None:
        rows: list[dict[str, Any]] = [{"split": name, "games": count} for name, count in index.splits().items()]
    else:
        _refuse_unknown(split, index)
        rows = [
            {"task": e.id, "type": e.type, "actions": len(e.walkthrough), "instruction": e.instruction}
            for e in index.of(split)
        ]
    if as_json:
        emit_json(rows)
    elif rows:
        _show(rows)
    else:
        console.print("No games are here yet: `a3t data generate textworld`.")


def verify(
    split: Annotated[str | None, typer.Option(help="Only this split.")] = None, as_json: JsonOption = False
) -> None:
    """Check that every game is there, unchanged, and won by its walkthrough; exit code 1 if not."""
    require_textworld()
    folder = data_home("textworld")
    index = read_index(folder)
    _refuse_unknown(split, index)
    total = sum(1 for _ in index.of(split))
    faults = []
    with _bar("Verifying games") as advance:
        for number, (entry, problem) in enumerate(faults_of(folder, split), 1):
            advance(number, total)
            if problem is not None:
                faults.append({"task": entry.id, "problem": problem})
    if as_json:
        emit_json({"games": total, "faults": faults})
    else:
        console.print(f"{total} games, {len(faults)} faults.")
        if faults:
            _show(faults)
    if faults:
        raise typer.Exit(1)


def _refuse_unknown(split: str | None, index: Index) -> None:
    if split is not None and split not in index.splits():
        raise InvalidInputError(f"There is no split {split!r}.", hint=f"Here: {', '.join(index.splits()) or 'none'}.")


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar on stderr while the block runs; the value is told (done, of)."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors_console) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def _show(rows: list[dict[str, Any]]) -> None:
    print_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])


data_commands = DataCommands(generate=generate, list=list_, verify=verify)
