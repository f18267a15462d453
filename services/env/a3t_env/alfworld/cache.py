"""A cache of parsed games with a memory limit, shared by all episodes of a process."""

from __future__ import annotations

from pathlib import Path

from a3t_contracts.byte_cache import ByteCache, held_bytes

from .game_file import load_game
from .native import Game
from .variant import Variant

__all__ = ["GameCache"]

_Key = tuple[Path, str, Variant | None]

_KEY_BYTES = 1000
"""Bytes of a key: a path and a hash."""


_MEMORY_PER_FILE_BYTE = 1.25
"""A parsed game takes 0.7 to 1.15 times the bytes of its file. Counting them exactly (`held_bytes`) would take a third
as long as reading the game."""


def _weight(key: _Key, game: Game) -> int:
    """Bytes of memory that a game takes, estimated slightly too high."""
    try:
        return _KEY_BYTES + int(_MEMORY_PER_FILE_BYTE * key[0].stat().st_size)
    except OSError:  # the file was removed in the meantime
        return _KEY_BYTES + held_bytes(game)


class GameCache:
    """Keeps the most recently used games in at most `size` bytes (default: 64 MiB). Thread-safe; two threads may parse
    the same game at the same time.
    """

    def __init__(self, size: int = 64 * 2**20) -> None:
        self._games: ByteCache[_Key, Game] = ByteCache(size, lambda key: load_game(*key), _weight)

    def get(self, path: Path, sha256: str, variant: Variant | None = None) -> Game:
        """Return the parsed game, from memory or from the file; with a `variant`, it asks for that. Raises what
        `load_game` raises."""
        return self._games.get((path, sha256, variant))

    def __len__(self) -> int:
        return len(self._games)
