"""A plug-in behind the environment protocol."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, Task

from .episode import PluginEpisode
from .pool import PluginPool
from .spec import ENGINE, PluginSpec

__all__ = ["PluginEnvironment"]


class PluginEnvironment:
    """Implements `a3t_env.protocol.Environment`; thread-safe, episodes are not."""

    def __init__(self, spec: PluginSpec, pool: PluginPool) -> None:
        self._spec, self._pool = spec, pool
        self._numbers = itertools.count()

    def info(self) -> EnvironmentInfo:
        """The description of the plug-in's environment."""
        return self._spec.info

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in the plug-in's order."""
        return [t for t in self._spec.listed.values() if split in (None, t.split) and type in (None, t.type)]

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""
        task = self._spec.listed.get(task_id)
        if task is None:
            raise NotFoundError(f"There is no task {task_id[:200]!r} in {self._spec.name}.")
        return task

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> PluginEpisode:
        """Return a new episode, not yet started. Raises NotFoundError, InvalidInputError."""
        if engine not in (None, ENGINE):
            raise InvalidInputError(
                f"{self._spec.name} has no engine {str(engine)[:40]!r}.", hint=f"Engines: {ENGINE}."
            )
        task = self.task(task_id)
        return PluginEpisode(
            next(self._numbers), self._pool, self._spec, task.id, seed, self._spec.options_of(options or {})
        )

    def close(self) -> None:
        """End the child processes."""
        self._pool.close()
