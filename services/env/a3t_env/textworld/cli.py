"""The commands of `a3t data … textworld`."""

from __future__ import annotations

from typing import Annotated

import typer

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.errors import InvalidInputError
from a3t_env.cli import DataCommands, data_home
from a3t_env.cli.games import list_games, progress_bar, refuse_unknown_split, report_faults

from .challenges import CHALLENGES, HELDOUT_SPLIT, TRAIN_SPLIT
from .generate import require_textworld
from .index import read_index
from .store import add_games, faults_of

__all__ = ["data_commands"]


def generate(
    games: Annotated[int, typer.Option(min=0, help="Number of games of the split train.")] = 60,
    heldout: Annotated[
        int | None, typer.Option(min=0, help="Number of games of the split heldout; default: a fifth of --games.")
    ] = None,
    type_: Annotated[
        list[str] | None,
        typer.Option("--type", help=f"One of {', '.join(CHALLENGES)}; may be repeated. Default: all."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed; the same seed gives the same games.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Generate games (splits train, heldout). A game takes about two seconds. Needs no network."""
    types = type_ or list(CHALLENGES)
    for name in types:
        if name not in CHALLENGES:
            raise InvalidInputError(f"There is no task type {name!r}.", hint=f"One of {', '.join(CHALLENGES)}.")
    counts = {TRAIN_SPLIT: games, HELDOUT_SPLIT: games // 5 if heldout is None else heldout}
    with progress_bar("Generating games") as advance:
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
    """List the splits with their numbers of games, or the tasks of one split."""
    list_games(
        read_index(data_home("textworld")),
        split,
        lambda e: {"task": e.id, "type": e.type, "actions": len(e.walkthrough), "instruction": e.instruction},
        if_none="There are no games yet. Run `a3t data generate textworld`.",
        as_json=as_json,
    )


def verify(
    split: Annotated[str | None, typer.Option(help="Only games of this split; default: all splits.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that every game exists, is unchanged and is won by its walkthrough; the exit code is 1 if not."""
    require_textworld()
    folder = data_home("textworld")
    index = read_index(folder)
    refuse_unknown_split(split, index)
    total = sum(1 for _ in index.of(split))
    faults = []
    with progress_bar("Verifying games") as advance:
        for number, (entry, problem) in enumerate(faults_of(folder, split), 1):
            advance(number, total)
            if problem is not None:
                faults.append({"task": entry.id, "problem": problem})
    report_faults(total, faults, as_json=as_json)


data_commands = DataCommands(generate=generate, list=list_, verify=verify)
