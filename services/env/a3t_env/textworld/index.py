"""The index of the games: one file, which is replaced atomically. The env service starts by reading only this file."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..game_index import GameIndex, read_index_file, write_index_file

__all__ = ["GameEntry", "Index", "read_index", "write_index"]


@dataclass(frozen=True, slots=True)
class GameEntry:
    """A game: its task id, the path of its story file in the data folder (a .json beside it has its facts), and its
    properties.
    """

    id: str
    split: str
    type: str
    path: str
    sha256: str
    facts_sha256: str
    instruction: str
    walkthrough: tuple[str, ...]
    """Commands that win the game, from the package and checked on the engine."""
    likeness: str
    """Equal for games that differ only in the places of objects that the task does not need."""


Index = GameIndex[GameEntry]
"""Games by id, in the order in which they were made."""


def read_index(folder: Path) -> Index:
    """Read the index of a data folder; an empty one if there is no file. Raises InvalidInputError for a broken file."""
    return read_index_file(folder, _parse, Index(), "Delete it and generate the games again.")


def write_index(folder: Path, index: Index) -> None:
    """Replace the index atomically."""
    write_index_file(folder, {"games": [asdict(game) for game in index.games.values()]})


def _parse(content: dict[str, Any]) -> Index:
    games = [GameEntry(**row | {"walkthrough": tuple(row["walkthrough"])}) for row in content["games"]]
    return Index({game.id: game for game in games})
