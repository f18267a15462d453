"""The interface of a protocol for remote environments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from a3t_contracts.schemas import EnvironmentInfo, Task

from ..plugins.results import Reply

__all__ = ["Backend", "Handle"]


class Handle(Protocol):
    """One running episode at the remote. Raises ReplyLostError, EpisodeLostError, BusyError, UpstreamError."""

    def step(self, action: str, index: int) -> Reply:
        """Carry out an action; `index` is its number from 0."""

    def actions(self) -> list[str]:
        """Admissible actions; asked only where the environment lists them."""

    def sample(self, seed: int) -> str:
        """An action drawn by the remote; asked only where it draws them."""

    def expert(self) -> str:
        """The expert's action; asked only where there is one."""

    def close(self) -> None:
        """End the episode at the remote."""


class Backend(Protocol):
    """One remote and its protocol. Thread-safe.

    `repeats` says that a step sent twice with the same index is made once; `draws` that the remote draws actions.
    """

    engine: str
    repeats: bool
    draws: bool

    def describe(self) -> EnvironmentInfo:
        """Ask the remote for its description. Sets `repeats` and `draws`."""

    def tasks(self) -> Sequence[Task]:
        """All tasks, in a fixed order."""

    def open(self, task: Task, seed: int, options: Mapping[str, str]) -> tuple[Handle, Reply]:
        """A fresh episode and its first observation."""

    def close(self) -> None:
        """Close the connections."""
