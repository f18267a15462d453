"""The tasks of an environment whose tasks are the games of an index."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Generic

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import Task

from .game_index import Game, GameIndex, IndexWatch

__all__ = ["GameTasks"]


class GameTasks(ABC, Generic[Game]):
    """The part of an environment that looks up tasks in its index of games. Thread-safe.

    Args:
        folder: data folder; the index is read again when its file changes.
        read: reads the index of such a folder.
    """

    title: str
    """The environment's name as people write it, for error messages."""
    missing_hint: str
    """Hint for a task that is not here."""

    def __init__(self, folder: Path, read: Callable[[Path], GameIndex[Game]]) -> None:
        self._folder = folder
        self._games: IndexWatch[GameIndex[Any]] = IndexWatch(folder, read)

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in the order of the index. An unknown split or type has no tasks."""
        games = self._games.index().of(split)
        return [self._task(game) for game in games if type is None or game.type == type]

    def task(self, task_id: str) -> Task:
        """The task with this id. Raises NotFoundError."""
        return self._task(self._game(task_id))

    @abstractmethod
    def _task(self, game: Game) -> Task:
        """Describe a game as a task."""

    def _game(self, task_id: str) -> Game:
        game: Game | None = self._games.index().games.get(task_id)
        if game is None:
            raise NotFoundError(
                f"There is no {self.title} task {task_id[:200]!r} in {self._folder}.", hint=self.missing_hint
            )
        return game
