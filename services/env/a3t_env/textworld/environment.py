"""TextWorld behind the environment protocol: the indexed games and the child processes that play them."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from typing_extensions import override

from a3t_contracts.errors import InvalidInputError, UnavailableError
from a3t_contracts.schemas import EnvironmentInfo, Task

from ..children import ChildEpisode, ChildPool, ChildProgram
from ..game_index import check_game_file
from ..game_tasks import GameTasks
from .challenges import CHALLENGES
from .description import ABOUT, GET_DATA, MAX_STEPS, SUCCESS, example
from .episode import TextWorldEpisode
from .index import GameEntry, read_index

__all__ = ["ENGINE", "TextWorldEnvironment"]

ENGINE = "textworld"


class TextWorldEnvironment(GameTasks[GameEntry]):
    """The games under a data folder. Implements `a3t_env.protocol.Environment`; thread-safe, episodes are not.

    Args:
        folder: data folder (`<A3T_HOME>/data/textworld`); the index is read again when its file changes.
        processes: most episodes at the same time, each in a child process.
        load_seconds: deadline for loading a game, and for starting it, in seconds.
        step_seconds: deadline for a step, in seconds.

    Raises UnavailableError if the package textworld is not installed.
    """

    title = "TextWorld"
    missing_hint = "`a3t data list textworld` lists the games that are here."

    def __init__(
        self, folder: Path, processes: int = 4, load_seconds: float = 120.0, step_seconds: float = 30.0
    ) -> None:
        if find_spec("textworld") is None:
            raise UnavailableError("The package textworld is not installed.", hint="Install a3t-env[official].")
        super().__init__(folder, read_index)
        self._pool = ChildPool(
            ChildProgram("a3t_env.textworld.child", "the TextWorld engine"),
            processes,
            load_seconds=load_seconds,
            step_seconds=step_seconds,
            hint="Close an episode, or raise A3T_ENV_TEXTWORLD_PROCESSES.",
        )

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

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> TextWorldEpisode:
        """Return a new episode, not yet started. A game draws nothing at random, so the seed has no effect; there are
        no options.

        Raises NotFoundError for an unknown task, InvalidInputError for an unknown engine or any option,
        UnplayableError for a game file that is missing or was changed.
        """
        if engine not in (None, ENGINE):
            raise InvalidInputError(f"TextWorld has no engine {str(engine)[:40]!r}.", hint=f"Engines: {ENGINE}.")
        for name in options or {}:
            raise InvalidInputError(f"TextWorld has no option {name[:80]!r}.", hint="It has none.")
        game = self._game(task_id)
        story = self._folder / game.path
        check_game_file(story, game.sha256)
        check_game_file(story.with_suffix(".json"), game.facts_sha256)
        return TextWorldEpisode(ChildEpisode(self._pool, story), game.walkthrough)

    def close(self) -> None:
        """End the child processes."""
        self._pool.close()

    @override
    def _task(self, game: GameEntry) -> Task:
        return Task(id=game.id, environment="textworld", split=game.split, type=game.type, instruction=game.instruction)
