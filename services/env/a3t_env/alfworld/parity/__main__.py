"""`python -m a3t_env.alfworld.parity --games 200 [--split S]`: the native engine against the official one.

Both engines play the same `--steps` commands of every game (default: 24, enough to use two appliances). After the start
and after every step, the observation, validity, success and the list of admissible commands are compared. The first
difference in a game is printed with its history, and the exit code is then 1. The official engine takes about 5 seconds
to load a game and 0.1 seconds for a step, so several processes share the games.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from a3t_contracts.cli import JsonOption, console, emit_json, errors_console, guarded, one_command
from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_env.cli import data_home

from ..data.index import GameEntry, Index, read_index
from ..official import OfficialEngine, OfficialPool
from .compare import Comparison, compare

__all__ = ["compare_games", "draw_games"]

_PATIENCE = 900.0
"""Seconds to wait for the official engine. The limit is long, so that a busy machine slows the comparison down but does
not end it.
"""

_LOG_EVERY = 10
"""Number of games between two lines of progress, if there is no terminal for a progress bar."""


def draw_games(index: Index, count: int, split: str | None, seed: int) -> list[GameEntry]:
    """Draw games to compare, in turn from every (split, task type, verb form), so that a few games cover all of
    them.
    """
    groups: dict[tuple[str, str, str], list[GameEntry]] = {}
    for entry in index.of(split):
        groups.setdefault((entry.type, entry.split, entry.verb_form), []).append(entry)
    rng = random.Random(seed)
    piles = [rng.sample(groups[key], len(groups[key])) for key in sorted(groups)]
    drawn: list[GameEntry] = []
    while len(drawn) < count and any(piles):
        drawn += [pile.pop() for pile in piles if pile]
    return drawn[:count]


def compare_games(folder: Path, games: Iterable[GameEntry], steps: int, seed: int, jobs: int) -> Iterator[Comparison]:
    """Compare games in several official processes at the same time, and yield results as they come."""
    pool = OfficialPool(size=jobs, load_seconds=_PATIENCE, step_seconds=_PATIENCE)

    def one(entry: GameEntry) -> Comparison:
        official = OfficialEngine(pool, folder / entry.path)
        try:
            return compare(entry.id, folder / entry.path, official, steps, seed)
        except A3TError as error:
            return Comparison(entry.id, (), fault=str(error))
        finally:
            official.close()

    executor = ThreadPoolExecutor(max_workers=jobs)
    try:
        for future in as_completed([executor.submit(one, entry) for entry in games]):
            yield future.result()
    finally:
        pool.close()
        executor.shutdown(cancel_futures=True)


def main(
    games: Annotated[int, typer.Option(min=1, help="Number of games to compare.")] = 200,
    split: Annotated[
        str | None, typer.Option(help="Only games of this split; default: all splits that are here.")
    ] = None,
    steps: Annotated[int, typer.Option(min=1, help="Number of commands in each game.")] = 24,
    seed: Annotated[int, typer.Option(help="Seed of the choice of games and of the random walks.")] = 0,
    jobs: Annotated[
        int, typer.Option(min=0, help="Number of processes with the official engine at the same time; 0: one per core.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare the native engine with the official one over the games under A3T_HOME."""
    folder = data_home("alfworld")
    drawn = draw_games(read_index(folder), games, split, seed)
    if not drawn:
        raise InvalidInputError(
            f"There are no games{f' of split {split!r}' if split else ''} in {folder}.",
            hint="`a3t data import alfworld …` or `a3t data generate alfworld` first.",
        )
    columns = (TextColumn("Comparing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    different: list[Comparison] = []
    made = won = 0
    with Progress(*columns, console=errors_console) as progress:
        bar = progress.add_task("", total=len(drawn))
        results = compare_games(folder, drawn, steps, seed, jobs or os.cpu_count() or 1)
        for number, result in enumerate(results, 1):
            progress.advance(bar)
            if not errors_console.is_terminal and number % _LOG_EVERY == 0:
                errors_console.print(f"{number} of {len(drawn)} games compared, {len(different)} different")
            made += len(result.history)
            won += result.won
            if not result.same:
                different.append(result)
                errors_console.print(result.report(), markup=False, highlight=False)
    _summary(drawn, made, won, different, as_json=as_json)
    if different:
        raise typer.Exit(1)


def _summary(drawn: list[GameEntry], made: int, won: int, different: list[Comparison], *, as_json: bool) -> None:
    if as_json:
        emit_json(
            {
                "games": len(drawn),
                "steps": made,
                "won": won,
                "differences": len(different),
                "splits": Counter(e.split for e in drawn),
                "types": Counter(e.type for e in drawn),
                "verb_forms": Counter(e.verb_form for e in drawn),
                "different": [d.game for d in different],
            }
        )
        return
    kinds = f"{len({e.type for e in drawn})} task types, {', '.join(sorted({e.verb_form for e in drawn}))}"
    console.print(f"{len(drawn)} games ({kinds}), {made} steps, {won} won: {len(different)} differences.")


if __name__ == "__main__":
    raise SystemExit(guarded(one_command(main)))
