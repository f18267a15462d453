"""The index of imported and generated games: one file, read once, replaced atomically.

`<data>/index.json` names every playable game; services start from it alone and never walk the tree of games.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from a3t_contracts.errors import InvalidInputError

from ..native.grammar import VerbForm

__all__ = ["INDEX_NAME", "GameEntry", "Index", "read_index", "write_index"]

INDEX_NAME = "index.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class GameEntry:
    """A game: its task id (the official trial path), where it lies under the data folder, and what it holds."""

    id: str
    split: str
    type: str
    path: str
    sha256: str
    verb_form: VerbForm
    instruction: str


@dataclass(frozen=True, slots=True)
class Index:
    """Games by id in a fixed order, and the named parts of splits (name → ids)."""

    games: dict[str, GameEntry] = field(default_factory=dict)
    subsets: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def splits(self) -> dict[str, int]:
        """Split or subset → number of games."""
        counts: dict[str, int] = {}
        for entry in self.games.values():
            counts[entry.split] = counts.get(entry.split, 0) + 1
        return counts | {name: len(ids) for name, ids in self.subsets.items()}

    def of(self, split: str | None) -> Iterable[GameEntry]:
        """The games of a split or subset; all games for None."""
        if split in self.subsets:
            return [self.games[id_] for id_ in self.subsets[split]]
        return [entry for entry in self.games.values() if split is None or entry.split == split]


def read_index(folder: Path) -> Index:
    """The index of a data folder; an empty one where there is none. Raises InvalidInputError for a broken one."""
    path = folder / INDEX_NAME
    try:
        data = orjson.loads(path.read_bytes())
        if data["version"] != _VERSION:
            raise InvalidInputError(f"The index {path} has version {data['version']}; this is for {_VERSION}.")
        games = [GameEntry(**row) for row in data["games"]]
        return Index({g.id: g for g in games}, {name: tuple(ids) for name, ids in data["subsets"].items()})
    except FileNotFoundError:
        return Index()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(
            f"The index {path} is damaged.", hint="Delete it and import or generate the games again."
        ) from error


def write_index(folder: Path, index: Index) -> None:
    """Replace the index in one step: a reader sees the old one or the new one."""
    content: dict[str, Any] = {
        "version": _VERSION,
        "games": [asdict(g) for g in index.games.values()],
        "subsets": index.subsets,
    }
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{INDEX_NAME}.{os.getpid()}"
    try:
        with fresh.open("wb") as file:
            file.write(orjson.dumps(content, option=orjson.OPT_INDENT_2))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(folder / INDEX_NAME)
    finally:
        fresh.unlink(missing_ok=True)
