"""A remote environment behind the protocol of this service."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, Task

from .backend import Backend
from .deadline import within
from .episode import RemoteEpisode

__all__ = ["RemoteEnvironment"]

_DESCRIBE_SECONDS = 3.0
_LIST_SECONDS = 30.0


class RemoteEnvironment:
    """Tasks and episodes of one remote environment. Its description and tasks are read once, when this object is made.

    Args:
        start_seconds, step_seconds: deadlines of an episode's start and of every other call, in seconds.

    Raises UpstreamError if the server cannot be reached or sends an invalid description.
    """

    inline_engines = frozenset[str]()

    def __init__(self, backend: Backend, *, start_seconds: float, step_seconds: float) -> None:
        self._backend = backend
        self._start_seconds, self._step_seconds = start_seconds, step_seconds
        with within(_DESCRIBE_SECONDS):
            self._info = backend.describe()
        with within(_LIST_SECONDS):
            tasks = list(backend.tasks())
        self._tasks = {task.id: task for task in tasks}
        counted = Counter(task.split for task in tasks)
        types = list(dict.fromkeys(task.type for task in tasks))
        self._info = self._info.model_copy(update={"splits": dict(counted), "task_types": types})

    def info(self) -> EnvironmentInfo:
        """The description that the server sent."""
        return self._info

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in the server's order."""
        return [
            task
            for task in self._tasks.values()
            if (split is None or task.split == split) and (type is None or task.type == type)
        ]

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""
        task = self._tasks.get(task_id)
        if task is None:
            raise NotFoundError(f"{self._info.name} has no task {task_id[:80]!r}.")
        return task

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> RemoteEpisode:
        """Return a new episode, not yet started. The server checks the options. Raises NotFoundError,
        InvalidInputError.
        """
        if engine not in (None, self._backend.engine):
            raise InvalidInputError(
                f"{self._info.name} has no engine {str(engine)[:40]!r}.", hint=f"Engine: {self._backend.engine}."
            )
        return RemoteEpisode(
            self._backend,
            self._info,
            self.task(task_id),
            seed,
            options or {},
            start_seconds=self._start_seconds,
            step_seconds=self._step_seconds,
        )

    def close(self) -> None:
        """Close the connections."""
        self._backend.close()
