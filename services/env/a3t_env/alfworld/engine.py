"""The protocol of ALFWorld engines; `native` and `official` implement it."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Engine"]


class Engine(Protocol):
    """One episode of one game. Not thread-safe."""

    won: bool
    """Whether the present state satisfies the goal."""

    def start(self) -> str:
        """Start the episode, or start it again, and return the first observation."""

    def step(self, command: str) -> tuple[str, bool]:
        """Carry out a command. Returns the observation, and whether the command was admissible."""

    def actions(self) -> list[str]:
        """Admissible commands, sorted."""

    def close(self) -> None:
        """Release all resources of the episode."""
