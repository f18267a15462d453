"""Parsed games, shared by all episodes of a process and bounded in number."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from threading import Lock

from .game_file import load_game
from .native import Game

__all__ = ["GameCache"]


class GameCache:
    """Least-recently-used games. Thread-safe; two threads may parse the same game once each."""

    def __init__(self, size: int = 1024) -> None:
        self._size = size
        self._games: OrderedDict[tuple[Path, str], Game] = OrderedDict()
        self._lock = Lock()

    def get(self, path: Path, sha256: str) -> Game:
        """The parsed game. Raises what `load_game` raises."""
        key = (path, sha256)
        with self._lock:
            game = self._games.get(key)
            if game is not None:
                self._games.move_to_end(key)
                return game
        game = load_game(path, sha256)
        with self._lock:
            self._games[key] = game
            while len(self._games) > self._size:
                self._games.popitem(last=False)
        return game

    def __len__(self) -> int:
        return len(self._games)
