"""Parts that the commands of environments with games share: progress bars, lists of games, reports of faults."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from a3t_contracts.cli import console, emit_json, errors_console
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.tables import print_table

from ..game_index import Game, GameIndex

__all__ = ["list_games", "progress_bar", "refuse_unknown_split", "report_faults"]


@contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Show a progress bar on stderr during the block. The block gets a function of the number done and the total."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=errors_console) as progress:
        bar = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=total)


def list_games(
    index: GameIndex[Game],
    split: str | None,
    row: Callable[[Game], dict[str, Any]],
    *,
    if_none: str,
    as_json: bool,
) -> None:
    """Print the number of games of each split, or the tasks of one split.

    Args:
        index: the games.
        split: split whose tasks are listed; None lists the splits.
        row: columns of a task by their headings.
        if_none: printed if there are no games.
        as_json: whether to print JSON.

    Raises InvalidInputError for an unknown split.
    """
    if split is None:
        rows: list[dict[str, Any]] = [{"split": name, "games": count} for name, count in index.splits().items()]
    else:
        refuse_unknown_split(split, index)
        rows = [row(game) for game in index.of(split)]
    if as_json:
        emit_json(rows)
    elif rows:
        _show(rows)
    else:
        console.print(if_none)


def report_faults(games: int, faults: list[dict[str, Any]], *, as_json: bool) -> None:
    """Print the number of checked games, and the faults. Raises typer.Exit with code 1 if there are faults."""
    if as_json:
        emit_json({"games": games, "faults": faults})
    else:
        console.print(f"{games} games, {len(faults)} faults.")
        if faults:
            _show(faults)
    if faults:
        raise typer.Exit(1)


def refuse_unknown_split(split: str | None, index: GameIndex[Game]) -> None:
    """Raise InvalidInputError for a split that the index does not have; None stands for all splits."""
    if split is not None and split not in index.splits():
        raise InvalidInputError(f"There is no split {split!r}.", hint=f"Splits: {', '.join(index.splits()) or 'none'}.")


def _show(rows: list[dict[str, Any]]) -> None:
    print_table(list(rows[0]), [[str(value) for value in row.values()] for row in rows])
