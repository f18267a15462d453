"""One episode of a game, played by the official engine in a child process."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a3t_contracts.errors import GoneError, UnavailableError

from .pool import OfficialPool
from .process import OfficialProcess

__all__ = ["OfficialEngine", "official_available"]


def official_available() -> bool:
    """Whether alfworld and textworld are installed."""
    return all(find_spec(package) is not None for package in ("alfworld", "textworld", "fast_downward"))


class OfficialEngine:
    """The engine protocol (a3t_env.alfworld.engine) over alfworld and textworld.

    Calls raise DeadlineError, UpstreamError or InvalidInputError; after one of the first two the episode is lost.
    """

    def __init__(self, pool: OfficialPool, path: Path) -> None:
        if not official_available():
            raise UnavailableError("The official engine is not installed.", hint="Install a3t-env[official].")
        self.won = False
        self._pool = pool
        self._path = path
        self._child: OfficialProcess | None = None
        self._closed = False
        self._text = ""
        self._actions: list[str] = []

    def start(self) -> str:
        """Load the game into a child (taken on the first call) and begin; seconds."""
        if self._closed:
            raise GoneError("The episode is closed.")
        if self._child is None:
            self._child = self._pool.take()
            self._ask(self._child, self._pool.load_seconds, "load", path=str(self._path))
        self._take_in(self._ask(self._child, self._pool.load_seconds, "start"))
        return self._text

    def step(self, command: str) -> tuple[str, bool]:
        """Do a command: the observation, and whether the command was admissible."""
        if self._child is None:
            raise GoneError("The episode is closed or was not started.")
        valid = command.strip() in self._actions
        self._take_in(self._ask(self._child, self._pool.step_seconds, "step", command=command))
        return self._text, valid

    def actions(self) -> list[str]:
        """Admissible commands, sorted."""
        return list(self._actions)

    def close(self) -> None:
        """Give the child back."""
        self._closed = True
        child, self._child = self._child, None
        if child is not None:
            self._pool.give_back(child)

    def _ask(self, child: OfficialProcess, seconds: float, op: str, **arguments: str) -> dict[str, Any]:
        try:
            return child.ask(seconds, op, **arguments)
        except Exception:
            self.close()
            raise

    def _take_in(self, state: dict[str, Any]) -> None:
        self._text, self._actions, self.won = state["text"], state["actions"], state["won"]
