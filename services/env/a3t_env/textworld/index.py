"""The index of the games that are here: one file, replaced atomically; the env service reads nothing else to start."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

import orjson

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.files import write_atomically

__all__ = ["INDEX_NAME", "GameEntry", "Index", "read_index", "write_index"]

INDEX_NAME = "index.json"
_VERSION = 1


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


@dataclass(frozen=True, slots=True)
class Index:
    """Games by id, in the order in which they were made."""

    games: dict[str, GameEntry] = field(default_factory=dict)

    def splits(self) -> dict[str, int]:
        """Split → number of games."""
        counts: dict[str, int] = {}
        for entry in self.games.values():
            counts[entry.split] = counts.get(entry.split, 0) + 1
        return counts

    def of(self, split: str | None) -> Iterable[GameEntry]:
        """The games of a split; all games for None."""
        return [entry for entry in self.games.values() if split is None or entry.split == split]


def read_index(folder: Path) -> Index:
    """The index of a data folder; an empty one where there is none. Raises InvalidInputError for a broken one."""
    path = folder / INDEX_NAME
    try:
        data = orjson.loads(path.read_bytes())
        if data["version"] != _VERSION:
            raise InvalidInputError(f"The index {path} has version {data['version']}; this is for {_VERSION}.")
        games = [GameEntry(**row | {"walkthrough": tuple(row["walkthrough"])}) for row in data["games"]]
    except FileNotFoundError:
        return Index()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(
            f"The index {path} is damaged.", hint="Delete it and generate the games again."
        ) from error
    return Index({game.id: game for game in games})


def write_index(folder: Path, index: Index) -> None:
    """Replace the index in one step."""
    content = {"version": _VERSION, "games": [asdict(game) for game in index.games.values()]}
    write_atomically(folder / INDEX_NAME, orjson.dumps(content, option=orjson.OPT_INDENT_2))
