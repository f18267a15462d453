"""One session: an episode with its counters and its last result."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from a3t_contracts.errors import ConflictError
from a3t_contracts.schemas import Origin, SessionInfo, StepResult, Task

from ..protocol import Episode, Outcome

__all__ = ["Session", "SessionLimits"]


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """Limits of a session manager. Times in seconds."""

    max_sessions: int = 4096
    idle_seconds: float = 1800.0
    start_deadline: float = 120.0
    step_deadline: float = 30.0
    threads: int = 32
    remembered_ids: int = 10_000


@dataclass(slots=True, eq=False)
class Session:
    """The state of one session.

    `inline`: whether the episode answers in microseconds and may run on the event loop. Other episodes are used by one
    thread at a time, under `lock`; `making` is the running step. `origin`: the run and work item of the episode.
    """

    id: str
    task: Task
    engine: str
    episode: Episode
    inline: bool
    max_steps: int
    include_actions: bool
    observation: str
    touched: float
    multiline: bool = False
    separator: str | None = None
    lists_actions: bool = True
    origin: Origin | None = None
    steps: int = 0
    reward: float = 0.0
    done: bool = False
    success: bool = False
    last_action: str | None = None
    last: StepResult | None = None
    making: tuple[str, asyncio.Future[StepResult]] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def ids(self) -> dict[str, str]:
        """The ids of the session's run and episode, for log lines."""
        return self.origin.ids if self.origin is not None else {}

    def wants_actions(self, asked: bool) -> bool:
        """Whether a reply includes the admissible actions. It never does if the environment does not list them."""
        return self.lists_actions and (asked or self.include_actions)

    def repeated(self, action: str, index: int | None) -> StepResult | None:
        """Return the last result if this step was already carried out, or None if it is the next step. Raises
        ConflictError for any other index, and for a step after the end.
        """
        if index is not None and index == self.steps - 1 and action == self.last_action:
            return self.last
        if self.done:
            raise ConflictError(
                f"The episode of session {self.id} is over after {self.steps} steps.",
                hint="Close the session and open a new one.",
            )
        if index is not None and index != self.steps:
            what = "was carried out with another action" if index == self.steps - 1 else "is out of order"
            raise ConflictError(
                f"Step {index} of session {self.id} {what}.",
                hint=f"Its next step has index {self.steps}.",
                next_index=self.steps,
            )
        return None

    def record(self, action: str, outcome: Outcome, actions: list[str] | None) -> StepResult:
        """Record a step. The episode ends without success at its `max_steps`-th step."""
        index = self.steps
        self.steps += 1
        capped = not outcome.done and self.steps >= self.max_steps
        self.observation = outcome.observation
        self.reward += outcome.reward
        self.done = outcome.done or capped
        self.success = outcome.success
        self.last_action = action
        self.last = StepResult(
            session_id=self.id,
            index=index,
            observation=outcome.observation,
            reward=outcome.reward,
            done=self.done,
            success=outcome.success,
            valid=outcome.valid,
            actions=actions,
            info=outcome.info | {"truncated": True} if capped else outcome.info,
        )
        return self.last

    def info(self, actions: list[str] | None) -> SessionInfo:
        """The present state for the API. Its `reward` is the sum of the rewards so far."""
        return SessionInfo(
            id=self.id,
            task=self.task,
            engine=self.engine,
            observation=self.observation,
            multiline=self.multiline,
            separator=self.separator,
            actions=actions,
            steps=self.steps,
            max_steps=self.max_steps,
            reward=self.reward,
            done=self.done,
            success=self.success,
        )
