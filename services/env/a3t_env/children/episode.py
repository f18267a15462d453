"""One episode that a child process plays."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from a3t_contracts.errors import GoneError

from .pool import ChildPool
from .process import ChildProcess

__all__ = ["ChildEpisode"]


class ChildEpisode:
    """An episode that a child process plays; it holds the child from its start until it is closed. Not thread-safe.

    Calls raise DeadlineError, UpstreamError or InvalidInputError; after any of them the episode is lost.

    Args:
        pool: the child processes.
        path: the game file that the child loads.
    """

    def __init__(self, pool: ChildPool, path: Path) -> None:
        self._pool = pool
        self._path = path
        self._child: ChildProcess | None = None
        self._closed = False

    @property
    def child(self) -> ChildProcess | None:
        """The child process, between `start` and `close`."""
        return self._child

    def start(self) -> dict[str, Any]:
        """Load the game into a child process and start it, which takes seconds. The first call takes the child from the
        pool. Returns the first state.
        """
        if self._closed:
            raise GoneError("The episode is closed.")
        if self._child is None:
            self._child = self._pool.take()
            self._ask(self._pool.load_seconds, "load", path=str(self._path))
        return self._ask(self._pool.load_seconds, "start")

    def step(self, command: str) -> dict[str, Any]:
        """Carry out a command, and return the state after it."""
        return self._ask(self._pool.step_seconds, "step", command=command)

    def close(self) -> None:
        """Return the child process to the pool."""
        self._closed = True
        child, self._child = self._child, None
        if child is not None:
            self._pool.give_back(child)

    def _ask(self, seconds: float, op: str, **arguments: str) -> dict[str, Any]:
        if self._child is None:
            raise GoneError("The episode is closed or was not started.")
        try:
            return self._child.ask(seconds, op, **arguments)
        except Exception:
            self.close()
            raise
