"""The protocol of ALFWorld engines; `native` and `official` implement it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Engine"]


class Engine(Protocol):
    """One episode of one game. Not thread-safe."""

    won: bool
    """Whether the present state satisfies the goal."""

    def start(self) -> str:
        """Begin (anew); the first observation."""

    def step(self, command: str) -> tuple[str, bool]:
        """Do a command: the observation, and whether the command was admissible."""

    def actions(self) -> list[str]:
        """Admissible commands, sorted."""

    def close(self) -> None:
        """Give back whatever is held."""
