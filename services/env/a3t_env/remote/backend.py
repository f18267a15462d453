"""The interface that each protocol for remote environments implements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from a3t_contracts.schemas import EnvironmentInfo, Task

from ..plugins.results import Reply

__all__ = ["Backend", "Handle"]


class Handle(Protocol):
    """One running episode at the remote server. Calls raise ReplyLostError, EpisodeLostError, BusyError,
    UpstreamError.
    """

    def step(self, action: str, index: int) -> Reply:
        """Carry out an action; `index` is its number from 0."""

    def actions(self) -> list[str]:
        """Admissible actions; called only if the environment lists them."""

    def sample(self, seed: int) -> str:
        """An action drawn by the remote server; called only if it draws actions."""

    def expert(self) -> str:
        """The expert's action; called only if the environment has an expert."""

    def close(self) -> None:
        """End the episode at the remote."""


class Backend(Protocol):
    """One remote server and its protocol. Thread-safe.

    `repeats`: whether a step sent twice with the same index is carried out once. `draws`: whether the server draws
    actions.
    """

    engine: str
    repeats: bool
    draws: bool

    def describe(self) -> EnvironmentInfo:
        """Ask the server for the environment's description. Sets `repeats` and `draws`."""

    def tasks(self) -> Sequence[Task]:
        """All tasks, in a fixed order."""

    def open(self, task: Task, seed: int, options: Mapping[str, str]) -> tuple[Handle, Reply]:
        """Open a new episode, and return it with its first observation."""

    def close(self) -> None:
        """Close the connections."""
