"""Writes the table of priors by counting where objects lie in some games."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from a3t_contracts.cli import guarded, one_command

from ..game_file import load_game
from ..native import Game
from .priors import PRIORS_TABLE
from .reading import type_of

__all__ = ["count_priors"]

_SMALLEST_SHARE = 0.0005


def count_priors(games: Iterable[Game]) -> dict[str, dict[str, float]]:
    """Count the table over some games: object type → receptacle type → share (0 to 1)."""
    instances: Counter[str] = Counter()
    holding: Counter[tuple[str, str]] = Counter()
    for game in games:
        instances.update(type_of(game.names[r]) for r in game.location_of)
        for receptacle, objects in game.start.contents.items():
            types = {type_of(game.names[o]) for o in objects}
            holding.update((t, type_of(game.names[receptacle])) for t in types)
    shares: dict[str, dict[str, float]] = {}
    for (wanted, place), count in sorted(holding.items()):
        share = round(count / instances[place], 4)
        if share >= _SMALLEST_SHARE:
            shares.setdefault(wanted, {})[place] = share
    return shares


def main(folder: Annotated[Path, typer.Argument(help="Folder of training games in the official layout")]) -> None:
    """Write the table from all games under a folder."""
    games = (load_game(path) for path in sorted(folder.rglob("game.tw-pddl")))
    table = json.dumps(count_priors(games), indent=0, sort_keys=True)
    Path(str(files(__package__).joinpath(PRIORS_TABLE))).write_text(table + "\n")


if __name__ == "__main__":
    sys.exit(guarded(one_command(main)))
