"""The index of imported and generated games: one file that is read once and replaced atomically.

`<data>/index.json` lists every playable game; services only read this file and never search the folders of games.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ...game_index import GameIndex, read_index_file, write_index_file
from ..native.grammar import VerbForm

__all__ = ["GameEntry", "Index", "read_index", "write_index"]


@dataclass(frozen=True, slots=True)
class GameEntry:
    """A game: its task id (the official trial path), its path relative to the data folder, and its properties."""

    id: str
    split: str
    type: str
    path: str
    sha256: str
    verb_form: VerbForm
    instruction: str


@dataclass(frozen=True)
class Index(GameIndex[GameEntry]):
    """Games by id in a fixed order, and the named parts of splits (name → ids)."""

    subsets: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def splits(self) -> dict[str, int]:
        """Split or subset → number of games."""
        return super().splits() | {name: len(ids) for name, ids in self.subsets.items()}

    def of(self, split: str | None) -> Iterable[GameEntry]:
        """The games of a split or subset; all games for None."""
        if split in self.subsets:
            return [self.games[id_] for id_ in self.subsets[split]]
        return super().of(split)


def read_index(folder: Path) -> Index:
    """Read the index of a data folder; an empty one if there is no file. Raises InvalidInputError for a broken file."""
    return read_index_file(folder, _parse, Index(), "Delete it and import or generate the games again.")


def write_index(folder: Path, index: Index) -> None:
    """Replace the index atomically."""
    write_index_file(folder, {"games": [asdict(game) for game in index.games.values()], "subsets": index.subsets})


def _parse(content: dict[str, Any]) -> Index:
    games = [GameEntry(**row) for row in content["games"]]
    return Index({game.id: game for game in games}, {name: tuple(ids) for name, ids in content["subsets"].items()})
