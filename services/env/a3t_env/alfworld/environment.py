"""ALFWorld behind the environment protocol: the indexed games and the two engines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import cast, get_args

from typing_extensions import override

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, ReachedTask, Task

from ..game_index import check_game_file
from ..game_tasks import GameTasks
from .cache import GameCache
from .data.index import GameEntry, read_index
from .description import ABOUT, GET_DATA, MAX_STEPS, PUBLISHED, SUCCESS, example
from .engine import Engine
from .episode import AlfworldEpisode
from .expert import Search
from .hindsight import goals_reached
from .native import NativeEngine
from .official import OfficialEngine, OfficialPool, official_available
from .task_types import TASK_TYPES
from .variant import Variant, split_id

__all__ = ["AlfworldEnvironment"]


class AlfworldEnvironment(GameTasks[GameEntry]):
    """The games under a data folder. Implements `a3t_env.protocol.Environment` and `Hindsight`; thread-safe, episodes
    are not.

    A game can also be played for another goal in its world (`Variant`), on the native engine.

    Args:
        folder: data folder (`<A3T_HOME>/data/alfworld`); the index is read again when its file changes.
        default_engine: "native" or "official".
        pool: child processes of the official engine; default: a pool is made at the first use.
    """

    inline_engines = frozenset({"native"})
    title = "ALFWorld"
    missing_hint = "`a3t data list alfworld` lists the games that are here; import or generate games first."

    def __init__(self, folder: Path, default_engine: str = "native", pool: OfficialPool | None = None) -> None:
        super().__init__(folder, read_index)
        self._engines = [default_engine, *(e for e in ("native", "official") if e != default_engine)]
        self._cache = GameCache()
        self._pool = pool
        if default_engine not in ("native", "official"):
            raise InvalidInputError(f"There is no ALFWorld engine {default_engine!r}.", hint="native or official")

    def info(self) -> EnvironmentInfo:
        """Splits (named subsets included), task types, engines, step cap."""
        engines = [e for e in self._engines if e == "native" or official_available()]
        return EnvironmentInfo(
            name="alfworld",
            engines=engines,
            splits=self._games.index().splits(),
            task_types=list(TASK_TYPES),
            max_steps=MAX_STEPS,
            hindsight=True,
            about=ABOUT,
            example=example(),
            success=SUCCESS,
            get_data=GET_DATA,
            published=PUBLISHED,
        )

    @override
    def task(self, task_id: str) -> Task:
        entry, variant = self._entry(task_id)
        task = self._task(entry)
        if variant is None:
            return task
        told = {"id": task_id, "type": variant.type, "instruction": variant.instruction}
        return task.model_copy(update=told)

    def hindsight(
        self, task_id: str, actions: Sequence[str], seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> list[ReachedTask]:
        """Goals of the six types that were first reached by the actions, those of more than picking and placing first.
        Seed and options change nothing. Raises NotFoundError, UnplayableError."""
        entry = self._game(task_id)
        found = goals_reached(self._cache.get(self._folder / entry.path, entry.sha256), actions)
        return [
            ReachedTask(task=self.task(goal.variant.id_in(entry.id)), steps=goal.steps, engine="native")
            for goal in found
        ]

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> AlfworldEpisode:
        """Return a new episode, not yet started. ALFWorld draws nothing at random, so the seed has no effect.

        The only option is `search`, how the scripted expert searches: "likely" (default) or "listed".

        Raises NotFoundError for an unknown task, InvalidInputError for an unknown engine or option, UnplayableError
        for a game file that is missing, changed or broken, UnavailableError where the official engine is not
        installed.
        """
        search = _search_of(options or {})
        return AlfworldEpisode(self._engine(*self._entry(task_id), engine or self._engines[0]), search)

    def close(self) -> None:
        """End the child processes of the official engine."""
        if self._pool is not None:
            self._pool.close()

    @override
    def _task(self, game: GameEntry) -> Task:
        return Task(
            id=game.id,
            environment="alfworld",
            split=game.split,
            type=game.type,
            instruction=game.instruction,
            metadata={"verb_form": game.verb_form},
        )

    def _entry(self, task_id: str) -> tuple[GameEntry, Variant | None]:
        """The game of a task, and the other goal for which it is played, if it is."""
        game, variant = split_id(task_id)
        return (self._game(task_id), None) if variant is None else (self._game(game), variant)

    def _engine(self, entry: GameEntry, variant: Variant | None, engine: str) -> Engine:
        path = self._folder / entry.path
        if engine == "native":
            return NativeEngine(self._cache.get(path, entry.sha256, variant))
        if engine != "official":
            raise InvalidInputError(f"There is no ALFWorld engine {engine!r}.", hint="native or official")
        if variant is not None:
            raise InvalidInputError(
                "The official engine plays a game for the goal in its file only.", hint="Take the native engine."
            )
        if self._pool is None:
            self._pool = OfficialPool()
        check_game_file(path, entry.sha256)
        return OfficialEngine(self._pool, path)


def _search_of(options: Mapping[str, str]) -> Search:
    for name, value in options.items():
        if name != "search":
            raise InvalidInputError(f"ALFWorld has no option {name[:80]!r}.", hint="Its only option is `search`.")
        if value not in get_args(Search):
            raise InvalidInputError(f"The expert has no search {value[:80]!r}.", hint=" or ".join(get_args(Search)))
    return cast(Search, options.get("search", "likely"))
