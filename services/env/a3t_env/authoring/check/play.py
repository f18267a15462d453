"""Plays episodes for a check: chooses the actions, and records the results."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import ConflictError, InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, SampleRequest, SessionCreate, SessionInfo, StepResult, Task

__all__ = ["Played", "Subject", "difference", "shown"]

_ACTION = re.compile(r"^Action:[ \t]*(\S.*)$", re.MULTILINE)
_QUOTED = re.compile(r"for example:?\s*(.+?)\s*$", re.IGNORECASE | re.DOTALL)
_GUESSES = ("look", "help", "1", "a")
_SEED = 11


@dataclass(slots=True)
class Played:
    """A played episode: the first observation, and every action with its result."""

    task: str
    seed: int
    first: str
    steps: list[tuple[str, StepResult]] = field(default_factory=list)


class Subject:
    """The environment under check.

    Args:
        most_steps: number of steps after which the check ends an episode.
    """

    def __init__(self, client: EnvClient, info: EnvironmentInfo, tasks: list[Task], most_steps: int = 12) -> None:
        self.client, self.info, self.tasks = client, info, tasks
        self.most_steps = min(most_steps, info.max_steps)

    @property
    def source(self) -> str:
        """Where the actions come from, in words."""
        if self.info.samples:
            return "actions that the environment draws"
        if self.info.expert:
            return "the expert's actions"
        return "the example's actions" if self._known() else f"guessed actions ({', '.join(_GUESSES)})"

    async def open(self, task: Task, seed: int = _SEED) -> SessionInfo:
        """Open a session of a task."""
        return await self.client.create(SessionCreate(environment=self.info.name, task_id=task.id, seed=seed))

    async def play(self, task: Task, seed: int = _SEED) -> Played:
        """Play an episode with actions that the check chooses."""
        session = await self.open(task, seed)
        played = Played(task.id, seed, session.observation)
        done = session.done
        while not done and len(played.steps) < self.most_steps:
            action = await self._next(session.id, len(played.steps))
            result = await self.client.step(session.id, action, len(played.steps))
            played.steps.append((action, result))
            done = result.done
        await self.client.close(session.id)
        return played

    async def again(self, task: Task, played: Played) -> Played:
        """Play the same task with the same seed and actions."""
        session = await self.open(task, played.seed)
        second = Played(task.id, played.seed, session.observation)
        for index, (action, first) in enumerate(played.steps):
            result = await self.client.step(session.id, action, index)
            second.steps.append((action, result))
            if result.done != first.done:
                break
        await self.client.close(session.id)
        return second

    async def _next(self, session_id: str, index: int) -> str:
        if self.info.samples:
            try:
                return await self.client.sample(session_id, SampleRequest(seed=_SEED * 1000 + index))
            except (ConflictError, InvalidInputError):
                return _GUESSES[0]
        if self.info.expert:
            return await self.client.expert(session_id)
        known = self._known() or list(_GUESSES)
        return random.Random(index).choice(known)

    def _known(self) -> list[str]:
        """Actions that the environment's own texts show."""
        told = _QUOTED.search(self.info.about)
        return _ACTION.findall(self.info.example) or ([told.group(1).rstrip(".")] if told else [])


def difference(first: Played, second: Played) -> str:
    """The first difference between two episodes with the same actions, in words; empty if there is none."""
    if first.first != second.first:
        return f"task {first.task}, first observation: {shown(first.first)} and {shown(second.first)}"
    for index, ((action, one), (_, other)) in enumerate(zip(first.steps, second.steps, strict=False)):
        for name in ("observation", "reward", "done", "success", "valid"):
            a, b = getattr(one, name), getattr(other, name)
            if a != b:
                return f"task {first.task}, step {index} ({shown(action)}), {name}: {shown(a)} and {shown(b)}"
    return ""


def shown(value: object) -> str:
    """The text of a value, shortened."""
    text = repr(value)
    return text if len(text) <= 100 else f"{text[:100]}…"
