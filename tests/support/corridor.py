"""The corridor: a small real environment for tests of the session layer, which needs no data.

An agent stands in room 0 of a corridor and wins when it takes the flag in the last room. Engine `native` runs on the
event loop, `official` in threads; there a gate lets a test hold a step for as long as it likes.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from a3t_contracts.errors import InvalidInputError, NotFoundError, UnplayableError
from a3t_contracts.schemas import EnvironmentInfo, Task
from a3t_env.protocol import Outcome

__all__ = ["CorridorEnvironment", "CorridorEpisode", "Gate"]


@dataclass
class Gate:
    """Open unless a test shuts it; `entered` is set when a call waits at it, as a hung engine would."""

    open: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def pass_through(self) -> None:
        if not self.open.is_set():
            self.entered.set()
            self.open.wait(30)


class CorridorEpisode:
    """One walk; `closed` is set when it was closed."""

    def __init__(self, environment: CorridorEnvironment, rooms: int) -> None:
        self.environment = environment
        self.rooms = rooms
        self.room = 0
        self.closed = threading.Event()
        environment.running.add(self)

    def start(self) -> Outcome:
        self.environment.gate.pass_through()
        return Outcome(f"You are in room 0 of {self.rooms}. Your task is to: take the flag.")

    def step(self, action: str) -> Outcome:
        self.environment.gate.pass_through()
        if action == "break":
            raise RuntimeError("the engine broke")
        if action not in self.actions():
            return Outcome("Nothing happens.", valid=False)
        if action == "take flag":
            return Outcome("You won!", reward=1.0, done=True, success=True)
        self.room += 1 if action == "go right" else -1
        return Outcome(f"You are in room {self.room}.")

    def actions(self) -> list[str]:
        left = ["go left"] if self.room > 0 else []
        return left + (["take flag"] if self.room == self.rooms - 1 else ["go right"])

    def sample(self, seed: int, avoid: str | None = None) -> str:
        if not self.environment.samples:
            raise InvalidInputError("corridors draw no actions")
        choices = [action for action in self.actions() if action != avoid] or self.actions()
        return random.Random(f"{seed}:{self.room}").choice(choices)

    def expert(self) -> str:
        return self.actions()[-1]

    def close(self) -> None:
        self.closed.set()
        self.environment.running.discard(self)


class CorridorEnvironment:
    """Three corridors in two splits; `running` holds the episodes that are not closed,
    `unplayable` the tasks that cannot be played. Where `samples` is false it
    draws no actions."""

    def __init__(self) -> None:
        self.gate = Gate()
        self.samples = True
        self.running: set[CorridorEpisode] = set()
        self.unplayable: set[str] = set()
        self._tasks = {
            f"corridor-{rooms}": Task(
                id=f"corridor-{rooms}",
                environment="alfworld",
                split="train" if rooms < 5 else "valid_seen",
                type="short" if rooms < 4 else "long",
            )
            for rooms in (3, 4, 5)
        }

    def info(self) -> EnvironmentInfo:
        return EnvironmentInfo(
            name="alfworld",
            engines=["native", "official"],
            splits={"train": 2, "valid_seen": 1},
            task_types=["long", "short"],
            max_steps=50,
            get_data="Build more corridors.",
            samples=self.samples,
        )

    def tasks(self, split: str | None = None, type: str | None = None) -> Sequence[Task]:
        return [t for t in self._tasks.values() if split in (None, t.split) and type in (None, t.type)]

    def task(self, task_id: str) -> Task:
        if task_id not in self._tasks:
            raise NotFoundError(f"There is no task {task_id!r} in alfworld.")
        return self._tasks[task_id]

    def episode(
        self, task_id: str, engine: str | None = None, seed: int = 0, *, options: Mapping[str, str] | None = None
    ) -> CorridorEpisode:
        if options:
            raise InvalidInputError(f"Unknown options: {', '.join(options)}.")
        if task_id in self.unplayable:
            raise UnplayableError(f"The plan of {task_id} was changed.")
        return CorridorEpisode(self, int(self.task(task_id).id.split("-")[1]))
