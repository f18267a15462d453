"""How often an object of a kind lies in a receptacle of a kind: common knowledge of rooms, as a small table.

The shipped table was made from training games only, by `python -m a3t_env.alfworld.expert.priors FOLDER`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from ..game_file import load_game
from ..native import Game
from .reading import kind

__all__ = ["Priors", "count_priors", "load_priors"]

_TABLE = "priors.json"
_SMALLEST_SHARE = 0.0005


class Priors:
    """Object kind → receptacle kind → share of such receptacles that hold such an object (0 to 1)."""

    def __init__(self, shares: Mapping[str, Mapping[str, float]]) -> None:
        self._shares = shares

    def of(self, wanted: str) -> Mapping[str, float]:
        """Shares for one kind of object; empty for an unknown one."""
        return self._shares.get(wanted, {})


@lru_cache(maxsize=1)
def load_priors() -> Priors:
    """The shipped table."""
    return Priors(json.loads(files(__package__).joinpath(_TABLE).read_text()))


def count_priors(games: Iterable[Game]) -> dict[str, dict[str, float]]:
    """The table of some games."""
    instances: Counter[str] = Counter()
    holding: Counter[tuple[str, str]] = Counter()
    for game in games:
        instances.update(kind(game.names[r]) for r in game.location_of)
        for receptacle, objects in game.start.contents.items():
            kinds = {kind(game.names[o]) for o in objects}
            holding.update((k, kind(game.names[receptacle])) for k in kinds)
    shares: dict[str, dict[str, float]] = {}
    for (wanted, receptacle), count in sorted(holding.items()):
        share = round(count / instances[receptacle], 4)
        if share >= _SMALLEST_SHARE:
            shares.setdefault(wanted, {})[receptacle] = share
    return shares


def main(folder: Annotated[Path, typer.Argument(help="Folder of training games in the official layout")]) -> None:
    """Write the table from all games under a folder."""
    games = (load_game(path) for path in sorted(folder.rglob("game.tw-pddl")))
    table = json.dumps(count_priors(games), indent=0, sort_keys=True)
    Path(str(files(__package__).joinpath(_TABLE))).write_text(table + "\n")


if __name__ == "__main__":
    typer.run(main)
