"""ALFWorld behind the environment protocol: the indexed games and the two engines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import cast, get_args

from typing_extensions import override

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, Task

from ..game_index import check_game_file
from ..game_tasks import GameTasks
from .cache import GameCache
from .data.index import GameEntry, read_index
from .description import ABOUT, GET_DATA, MAX_STEPS, PUBLISHED, SUCCESS, example
from .engine import Engine
from .episode import AlfworldEpisode
from .expert import Search
from .native import NativeEngine
from .official import OfficialEngine, OfficialPool, official_available
from .task_types import TASK_TYPES

__all__ = ["AlfworldEnvironment"]


class AlfworldEnvironment(GameTasks[GameEntry]):
    """The games under a data folder. Implements `a3t_env.protocol.Environment`; thread-safe, episodes are not.

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
            about=ABOUT,
            example=example(),
            success=SUCCESS,
            get_data=GET_DATA,
            published=PUBLISHED,
        )

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
        return AlfworldEpisode(self._engine(self._game(task_id), engine or self._engines[0]), search)

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

    def _engine(self, entry: GameEntry, engine: str) -> Engine:
        path = self._folder / entry.path
        if engine == "native":
            return NativeEngine(self._cache.get(path, entry.sha256))
        if engine != "official":
            raise InvalidInputError(f"There is no ALFWorld engine {engine!r}.", hint="native or official")
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
