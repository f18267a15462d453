"""The protocol that every environment and engine implements."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:  # child processes load this module, but do not need the schemas
    from a3t_contracts.schemas import EnvironmentInfo, ReachedTask, Task

__all__ = ["Environment", "Episode", "Hindsight", "Outcome"]


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
        """Draw one action uniformly from the action space. The same seed and state give the same action. `avoid` is
        never drawn if there is another action.
        """

    def expert(self) -> str:
        """Return the next action of the scripted expert, which knows only what was visible so far."""

    def close(self) -> None:
        """Release all resources of the episode."""


class Environment(Protocol):
    """A set of tasks and the engines that play them.

    The optional attribute `inline_engines` is the set of engines whose calls take only microseconds. Those calls run on
    the event loop, all others in threads.
    """

    def info(self) -> EnvironmentInfo:
        """The description of the environment: splits, task types, engines (the default first), default step cap, …"""

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        """Tasks in a fixed order; all, or those of one split or type."""

    def task(self, task_id: str) -> Task:
        """The task with this id. Raises NotFoundError."""

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> Episode:
        """Return a new episode, not yet started.

        `options` are those of `SessionCreate`; an environment refuses options that it does not know. Raises
        NotFoundError, InvalidInputError, and UnplayableError for a task that can never be played, for instance because
        a file is damaged; a run then gives up its episodes without another attempt.
        """


@runtime_checkable
class Hindsight(Protocol):
    """What an environment has in addition that tells which other tasks an episode has solved; its `info()` says so."""

    def hindsight(
        self, task_id: str, actions: Sequence[str], seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> Sequence[ReachedTask]:
        """The tasks in the world of `task_id` that these actions solve, from the beginning of an episode with this seed
        and these options. The task that asks for most comes first.

        The environment plays such a task as any other, under the id in the answer: `task_id`, "@" and the goal. No
        split may list it. Raises NotFoundError, InvalidInputError, UnplayableError.
        """
