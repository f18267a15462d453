"""`python -m a3t_env.alfworld.expert [--split S]`: how many games the scripted expert solves, and in how many steps.

The expert plays every game under A3T_HOME once on the native engine. The exit code is 1 if less than 99 % of the games
of a split are solved.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, TypedDict

import typer

from a3t_contracts.cli import JsonOption, console, emit_json, guarded, one_command
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.tables import print_table
from a3t_env.cli import data_home

from ..data.index import Index, read_index
from ..game_file import load_game
from ..task_types import TASK_TYPES
from .expert import Search
from .solve import solve

__all__ = ["Played"]

_WANTED = 0.99
_ALL = "all"


@dataclass(frozen=True, slots=True)
class Played:
    """A game, and the number of steps until it was won (None if it was not won)."""

    id: str
    split: str
    type: str
    steps: int | None


class Row(TypedDict):
    """Results for the games of one type in a split, or (type "all") for the whole split."""

    split: str
    verb_form: str
    type: str
    games: int
    solved: int
    mean_steps: float
    most_steps: int


def main(
    split: Annotated[
        str | None, typer.Option(help="Only games of this split; default: all splits that are here.")
    ] = None,
    max_steps: Annotated[
        int, typer.Option(min=1, help="Number of steps after which a game counts as not solved.")
    ] = 50,
    search: Annotated[Search, typer.Option(help="How the expert searches for objects.")] = "likely",
    as_json: JsonOption = False,
) -> None:
    """Let the scripted expert play the games under A3T_HOME."""
    folder = data_home("alfworld")
    index = read_index(folder)
    played = [
        Played(
            entry.id, entry.split, entry.type, solve(load_game(folder / entry.path, entry.sha256), max_steps, search)
        )
        for entry in index.of(split)
    ]
    if not played:
        raise InvalidInputError(
            f"There are no games{f' of split {split!r}' if split else ''} in {folder}.",
            hint="`a3t data import alfworld …` or `a3t data generate alfworld` first.",
        )
    rows = list(_rows(played, index))
    if as_json:
        emit_json({"rows": rows, "not_solved": [game.id for game in played if game.steps is None]})
    else:
        _show(rows, "type" if split else "split", [game.id for game in played if game.steps is None])
    if any(float(row["solved"]) < _WANTED * float(row["games"]) for row in rows if row["type"] == _ALL):
        raise typer.Exit(1)


def _rows(played: Sequence[Played], index: Index) -> Iterator[Row]:
    """Yield a row for each task type of each split, and one for the whole split."""
    for split in sorted({game.split for game in played}):
        of_split = [game for game in played if game.split == split]
        for type_ in (*TASK_TYPES, _ALL):
            games = [game for game in of_split if type_ in (game.type, _ALL)]
            steps = [game.steps for game in games if game.steps is not None]
            if games:
                forms = {index.games[game.id].verb_form for game in games}
                yield Row(
                    split=split,
                    verb_form="/".join(sorted(forms)),
                    type=type_,
                    games=len(games),
                    solved=len(steps),
                    mean_steps=round(fmean(steps), 2) if steps else 0.0,
                    most_steps=max(steps, default=0),
                )


def _show(rows: Sequence[Row], by: str, not_solved: Sequence[str]) -> None:
    """Print the rows of one split by task type, or one row for each split; as JSON, print all rows."""
    shown = []
    for row in rows:
        if by == "type" or row["type"] == _ALL:
            label = row["type"] if by == "type" else row["split"]
            figures = (row["games"], row["solved"], row["mean_steps"], row["most_steps"])
            shown.append([label, row["verb_form"], *map(str, figures)])
    print_table((by, "verb form", "games", "solved", "mean steps", "most steps"), shown)
    for game in not_solved:
        console.print(f"Not solved: {game}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    raise SystemExit(guarded(one_command(main)))
