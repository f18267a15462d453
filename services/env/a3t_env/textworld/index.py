"""The index of the games that are here: one file, replaced atomically; the env service reads nothing else to start."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..game_index import GameIndex, read_index_file, write_index_file

__all__ = ["GameEntry", "Index", "read_index", "write_index"]


@dataclass(frozen=True, slots=True)
class GameEntry:
    """A game: its task id, its story file under the data folder (facts in a .json beside it), and what it is."""

    id: str
    split: str
    type: str
    path: str
    sha256: str
    facts_sha256: str
    instruction: str
    walkthrough: tuple[str, ...]
    """The package's commands that win, checked on the engine."""
    likeness: str
    """Equal for games that differ in nothing but where things that do not matter stand."""


Index = GameIndex[GameEntry]
"""Games by id, in the order in which they were made."""


def read_index(folder: Path) -> Index:
    """The index of a data folder; an empty one where there is none. Raises InvalidInputError for a broken one."""
    return read_index_file(folder, _parse, Index(), "Delete it and generate the games again.")


def write_index(folder: Path, index: Index) -> None:
    """Replace the index in one step."""
    write_index_file(folder, {"games": [asdict(game) for game in index.games.values()]})


def _parse(content: dict[str, Any]) -> Index:
    games = [GameEntry(**row | {"walkthrough": tuple(row["walkthrough"])}) for row in content["games"]]
    return Index({game.id: game for game in games})
