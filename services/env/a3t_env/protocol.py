"""The one protocol that every environment and engine implements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # child processes load this module, and need no schemas
    from a3t_contracts.schemas import EnvironmentInfo, Task

__all__ = ["Environment", "Episode", "Outcome"]


@dataclass(slots=True)
class Outcome:
    """The result of a reset or a step. `reward` is that of the step alone; `valid` is false if the action was not
    understood or not allowed."""

    observation: str
    reward: float = 0.0
    done: bool = False
    success: bool = False
    valid: bool = True
    info: dict[str, Any] = field(default_factory=dict)


class Episode(Protocol):
    """One running episode. Synchronous and not thread-safe: the session layer calls it from one place at a time."""

    def start(self) -> Outcome:
        """The first observation, with the task in it."""

    def step(self, action: str) -> Outcome:
        """Carry out an action. Never raises for a malformed action, but returns `valid=False`."""

    def actions(self) -> list[str]:
        """Admissible actions of the present state, in the environment's own order."""

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """One action of the action space, uniform, deterministic by seed and state; never `avoid` where there
        is another."""

    def expert(self) -> str:
        """The scripted expert's next action, from what was visible so far alone."""

    def close(self) -> None:
        """Release all resources of the episode."""


class Environment(Protocol):
    """A set of tasks and the engines that play them.

    It may have the attribute `inline_engines`, a set of engines whose every call takes microseconds: those run on the
    event loop, all others in threads.
    """

    def info(self) -> EnvironmentInfo:
        """The environment's description for the rest of the system: splits, task types, engines (the default first),
        step cap, …"""

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in a fixed order."""

    def task(self, task_id: str) -> Task:
        """Raises NotFoundError."""

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> Episode:
        """A fresh episode, not yet started. `options` are `SessionCreate.options`; an environment refuses those
        that it does not know. Raises NotFoundError, InvalidInputError."""
