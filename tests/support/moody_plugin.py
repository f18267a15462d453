"""An environment of a person whose code is bad on request: its actions say how. All others it counts."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
from typing import Any, ClassVar


class NoSuchLevelError(Exception):
    """The task can never be played."""

    unplayable = True


class Moody:
    """Every other action is counted; `win` ends the episode."""

    splits: ClassVar = {"train": 4, "test": 2}
    about = "Say a mood."
    max_steps = 30

    def reset(self, task: Any, seed: int) -> str:
        self.count = 0
        if task.number == 3:
            raise RuntimeError("this task is broken")
        return f"{task} with {task.seed % 7} and {seed}"

    def step(self, action: str) -> object:
        match action:
            case "raise":
                raise ValueError("a mood")
            case "leave":
                sys.exit(3)
            case "exit":
                os._exit(7)
            case "segfault":
                ctypes.string_at(0)
            case "hang":
                threading.Event().wait()
            case "huge":
                return "x" * 10_000_000, 0.0, False
            case "nan":
                return "odd", float("nan"), False
            case "infinite":
                return "odd", float("inf"), False
            case "number":
                return 5, 0.0, False
            case "none":
                return None
            case "short":
                return "odd", 0.0
            case "read":
                return sys.stdin.read() or "nothing to read", 0.0, False
            case "print":
                print("{}\n" * 3)  # noqa: T201
                return "printed", 0.0, False
            case "win":
                return "won", 1.0, True
        self.count += 1
        return f"{self.count}: {action}", 0.0, False


class Levels(Moody):
    """The file of its second task is gone."""

    def reset(self, task: Any, seed: int) -> str:
        if task.number == 1:
            raise NoSuchLevelError("level 1 is gone")
        return super().reset(task, seed)


class Forgetful(Moody):
    """Gives something else in every process."""

    def reset(self, task: Any, seed: int) -> str:
        return f"{super().reset(task, seed)} in {os.getpid()}"


class Rich(Moody):
    """Has everything that is optional."""

    task_types = ("odd", "even")
    options: ClassVar = {"size": ("small", "large")}

    def reset(self, task: Any, seed: int, options: dict[str, str]) -> str:
        self.size = options["size"]
        return f"{super().reset(task, seed)}, {self.size}, {task['type']}"

    def actions(self) -> list[str]:
        return ["left", "right", "win"]

    def expert(self) -> str:
        return "win"


class Sampling(Moody):
    """Draws actions but lists none; its tasks are dicts."""

    splits = ("easy",)

    def tasks(self, split: str) -> list[dict[str, Any]]:
        return [{"id": f"{split}/{word}", "type": word[0], "word": word} for word in ("apple", "pear")]

    def reset(self, task: Any, seed: int) -> str:
        self.count = 0
        return f"The word is {task['word']} ({task.id})."

    def sample(self, seed: int) -> str:
        return f"letter {seed % 3}"


class Tasks:
    """No environment at all: it cannot be reset."""

    splits: ClassVar = {"train": 1}


def make() -> Moody:
    """A factory."""
    return Moody()
