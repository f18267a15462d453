"""TextWorld behind the environment protocol: the indexed games and the child processes that play them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from a3t_contracts.errors import InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.schemas import EnvironmentInfo, Task

from ..children import ChildEpisode, ChildPool, ChildProgram
from ..game_index import IndexWatch
from .challenges import CHALLENGES
from .description import ABOUT, GET_DATA, MAX_STEPS, SUCCESS, example
from .episode import TextWorldEpisode
from .index import GameEntry, read_index

__all__ = ["ENGINE", "TextWorldEnvironment"]

ENGINE = "textworld"


class TextWorldEnvironment:
    """The games under a data folder. Implements `a3t_env.protocol.Environment`; thread-safe, episodes are not.

    Args:
        folder: data folder (`<A3T_HOME>/data/textworld`); an index that changes on disk is read again.
        processes: episodes at a time, a child process each.
        load_seconds: deadline for loading and for starting a game.
        step_seconds: deadline for a step.

    Raises UnavailableError where the package is not installed.
    """

    def __init__(
        self, folder: Path, processes: int = 4, load_seconds: float = 120.0, step_seconds: float = 30.0
    ) -> None:
        if find_spec("textworld") is None:
            raise UnavailableError("The package textworld is not installed.", hint="Install a3t-env[official].")
        self._folder = folder
        self._pool = ChildPool(
            ChildProgram("a3t_env.textworld.child", "the TextWorld engine"),
            processes,
            load_seconds=load_seconds,
            step_seconds=step_seconds,
            hint="Close an episode, or raise A3T_ENV_TEXTWORLD_PROCESSES.",
        )
        self._games = IndexWatch(folder, read_index)

    def info(self) -> EnvironmentInfo:
        """Splits, task types (the challenges), step cap."""
        return EnvironmentInfo(
            name="textworld",
            engines=[ENGINE],
            splits=self._games.index().splits(),
            task_types=list(CHALLENGES),
            max_steps=MAX_STEPS,
            about=ABOUT,
            example=example(),
            success=SUCCESS,
            get_data=GET_DATA,
        )

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in the order in which they were made. An unknown split or type has none."""
        return [_task(entry) for entry in self._games.index().of(split) if type is None or entry.type == type]

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""
        return _task(self._entry(task_id))

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> TextWorldEpisode:
        """A fresh episode, not yet started. A game draws nothing at random, so the seed changes nothing; there are no
        options.

        Raises NotFoundError for an unknown task, InvalidInputError for an unknown engine or any option.
        """
        if engine not in (None, ENGINE):
            raise InvalidInputError(f"TextWorld has no engine {str(engine)[:40]!r}.", hint=f"Engines: {ENGINE}.")
        for name in options or {}:
            raise InvalidInputError(f"TextWorld has no option {name[:80]!r}.", hint="It has none.")
        entry = self._entry(task_id)
        return TextWorldEpisode(ChildEpisode(self._pool, self._folder / entry.path), entry.walkthrough)

    def close(self) -> None:
        """End the child processes."""
        self._pool.close()

    def _entry(self, task_id: str) -> GameEntry:
        entry = self._games.index().games.get(task_id)
        if entry is None:
            raise NotFoundError(
                f"There is no TextWorld task {task_id[:200]!r} in {self._folder}.",
                hint="`a3t data list textworld` shows what is here.",
            )
        return entry


def _task(entry: GameEntry) -> Task:
    return Task(id=entry.id, environment="textworld", split=entry.split, type=entry.type, instruction=entry.instruction)
