"""One episode of a game, played by the official engine in a child process."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from a3t_contracts.errors import UnavailableError

from ...children import ChildEpisode, ChildPool

__all__ = ["OfficialEngine", "official_available"]


def official_available() -> bool:
    """Whether alfworld and textworld are installed."""
    return all(find_spec(package) is not None for package in ("alfworld", "textworld", "fast_downward"))


class OfficialEngine:
    """The engine protocol (a3t_env.alfworld.engine) over alfworld and textworld. Raises what `ChildEpisode` raises."""

    def __init__(self, pool: ChildPool, path: Path) -> None:
        if not official_available():
            raise UnavailableError("The official engine is not installed.", hint="Install a3t-env[official].")
        self.won = False
        self.played = ChildEpisode(pool, path)
        self._actions: list[str] = []

    def start(self) -> str:
        """Load the game into a child process and start the episode, which takes seconds. The first call takes the child
        from the pool.
        """
        return self._take_in(self.played.start())

    def step(self, command: str) -> tuple[str, bool]:
        """Carry out a command. Returns the observation, and whether the command was admissible."""
        valid = command.strip() in self._actions
        return self._take_in(self.played.step(command)), valid

    def actions(self) -> list[str]:
        """Admissible commands, sorted."""
        return list(self._actions)

    def close(self) -> None:
        """Return the child process to the pool."""
        self.played.close()

    def _take_in(self, state: dict[str, Any]) -> str:
        self._actions, self.won = state["actions"], state["won"]
        text: str = state["text"]
        return text
