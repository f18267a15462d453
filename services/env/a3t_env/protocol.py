"""The protocol that every environment and engine implements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:  # child processes load this module, and need no schemas
    from a3t_contracts.schemas import EnvironmentInfo, Task

__all__ = ["Environment", "Episode", "Outcome"]


@dataclass(slots=True)
class Outcome:
    """The result of a start or a step. `reward` is that of the step alone; `valid` is false if the action was not
    understood or not allowed."""

    observation: str
    reward: float = 0.0
    done: bool = False
    success: bool = False
    valid: bool = True
    info: dict[str, Any] = field(default_factory=dict)


class Episode(Protocol):
    """One running episode. Synchronous and not thread-safe: the session layer makes one call at a time."""

    def start(self) -> Outcome:
        """Start the episode; returns the first observation, with the task in it."""

    def step(self, action: str) -> Outcome:
        """Carry out an action. A malformed action does not raise; its outcome has `valid=False`."""

    def actions(self) -> list[str]:
        """Admissible actions of the present state, in the order of the environment."""

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """One action of the action space, drawn uniformly; the same for equal seed and state. `avoid` is never drawn if
        there is another action."""

    def expert(self) -> str:
        """The next action of the scripted expert, which only uses what was visible so far."""

    def close(self) -> None:
        """Release all resources of the episode."""


class Environment(Protocol):
    """A set of tasks and the engines that play them.

    The optional attribute `inline_engines` is the set of engines whose calls take microseconds: they run on the event
    loop, all others in threads.
    """

    def info(self) -> EnvironmentInfo:
        """The description of the environment: splits, task types, engines (the default first), largest number of steps,
        …"""

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in a fixed order, optionally of one split or type."""

    def task(self, task_id: str) -> Task:
        """The task with this id. Raises NotFoundError."""

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> Episode:
        """A new episode, which is not started yet.

        `options` are those of `SessionCreate`; an environment refuses options that it does not know. Raises
        NotFoundError, InvalidInputError, and UnplayableError for a task that can never be played as its files are: a
        run gives its episodes up at once.
        """
