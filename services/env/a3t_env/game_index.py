"""The index of an environment's games, for environments whose tasks are game files.

An environment keeps its games in one folder, with one file that lists every playable game. The service only reads that
file, and the commands replace it atomically.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import orjson

from a3t_contracts.errors import InvalidInputError, UnplayableError
from a3t_contracts.files import write_atomically
from a3t_contracts.registry import sha256_file

__all__ = ["INDEX_NAME", "Game", "GameIndex", "IndexWatch", "check_game_file", "read_index_file", "write_index_file"]

INDEX_NAME = "index.json"
_VERSION = 1


class _Game(Protocol):
    @property
    def id(self) -> str: ...
    @property
    def split(self) -> str: ...
    @property
    def type(self) -> str: ...


Game = TypeVar("Game", bound=_Game)


@dataclass(frozen=True)
class GameIndex(Generic[Game]):
    """Games by id, in a fixed order."""

    games: dict[str, Game] = field(default_factory=dict)

    def splits(self) -> dict[str, int]:
        """Number of games by split."""
        return dict(Counter(game.split for game in self.games.values()))

    def of(self, split: str | None) -> Iterable[Game]:
        """The games of a split; all games for None."""
        return [game for game in self.games.values() if split is None or game.split == split]


Index = TypeVar("Index", bound=GameIndex[Any])


class IndexWatch(Generic[Index]):
    """Keeps the index of a data folder in memory, and reads it again after its file was replaced.

    Args:
        folder: data folder of the environment.
        read: reads the index of such a folder; called on the first use.
    """

    def __init__(self, folder: Path, read: Callable[[Path], Index]) -> None:
        self._folder = folder
        self._read = read
        self._kept: tuple[tuple[int, int], Index] | None = None

    def index(self) -> Index:
        """The current index. Raises InvalidInputError if the file is damaged."""
        stamp = self._stamp()
        if self._kept is None or self._kept[0] != stamp:
            self._kept = (stamp, self._read(self._folder))
        return self._kept[1]

    def _stamp(self) -> tuple[int, int]:
        try:
            status = (self._folder / INDEX_NAME).stat()
        except FileNotFoundError:
            return (0, 0)
        return (status.st_mtime_ns, status.st_ino)


def read_index_file(folder: Path, parse: Callable[[dict[str, Any]], Index], empty: Index, remedy: str) -> Index:
    """Read the index of a data folder.

    Args:
        folder: the data folder.
        parse: makes the index from the content of the file.
        empty: returned if there is no file.
        remedy: what to do about a damaged file, for the error's hint.

    Raises InvalidInputError for a damaged file, or one of another version.
    """
    path = folder / INDEX_NAME
    try:
        content = orjson.loads(path.read_bytes())
        if content["version"] != _VERSION:
            raise InvalidInputError(f"The index {path} has version {content['version']}, not {_VERSION}.")
        return parse(content)
    except FileNotFoundError:
        return empty
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InvalidInputError(f"The index {path} is damaged.", hint=remedy) from error


def write_index_file(folder: Path, content: dict[str, Any]) -> None:
    """Replace the index atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / INDEX_NAME, orjson.dumps({"version": _VERSION} | content, option=orjson.OPT_INDENT_2))


def check_game_file(path: Path, sha256: str) -> None:
    """Compare a game file with the hash of the index. Raises UnplayableError for one that is missing or was changed."""
    try:
        same = sha256_file(path) == sha256
    except OSError as error:
        raise UnplayableError(
            f"The game file {path} cannot be read: {error.strerror}.", hint="Import or generate the games again."
        ) from error
    if not same:
        raise UnplayableError(
            f"The game file {path} cannot be played. It was changed after it was imported.",
            hint="`a3t data verify` lists such files; import or generate them again.",
        )
