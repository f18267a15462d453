"""A pool of child processes of one program. Their number is limited; each is reused, and replaced after some games."""

from __future__ import annotations

import os
import threading

from a3t_contracts.errors import OverloadedError

from .process import ChildProcess, ChildProgram

__all__ = ["ChildPool"]


class ChildPool:
    """Hands out one child per episode. Thread-safe.

    Args:
        program: program of the children.
        size: largest number of children; a further episode is refused with OverloadedError. None: one per core, at
            least two.
        games_per_child: number of games after which a child is replaced, because engines may leak memory.
        hint: what to do when all children are in use.
        load_seconds: deadline for loading a game, and for starting it, in seconds.
        step_seconds: deadline for a step, in seconds.
    """

    def __init__(
        self,
        program: ChildProgram,
        size: int | None = None,
        games_per_child: int = 50,
        load_seconds: float = 120.0,
        step_seconds: float = 30.0,
        hint: str = "Close an episode, or raise the number of processes.",
    ) -> None:
        self._program, self._hint = program, hint
        self.load_seconds = load_seconds
        self.step_seconds = step_seconds
        self._size = size or max(2, os.cpu_count() or 1)
        self._games_per_child = games_per_child
        self._idle: list[ChildProcess] = []
        self._busy: set[ChildProcess] = set()
        self._lock = threading.Lock()

    def take(self) -> ChildProcess:
        """Take a child for one episode. Raises OverloadedError if all are in use."""
        with self._lock:
            child = next((c for c in self._idle if c.alive), None)
            self._idle = [c for c in self._idle if c is not child and c.alive]
            if child is None:
                if len(self._busy) >= self._size:
                    raise OverloadedError(
                        f"All {self._size} processes of {self._program.name} are in use.",
                        hint=self._hint,
                        retry_after=5.0,
                    )
                child = ChildProcess(self._program)
            child.games += 1
            self._busy.add(child)
            return child

    def give_back(self, child: ChildProcess) -> None:
        """Return a child to the pool. A child that has died or has played `games_per_child` games is ended."""
        with self._lock:
            known = child in self._busy
            self._busy.discard(child)
            reusable = known and child.alive and child.games < self._games_per_child
            if reusable:
                self._idle.append(child)
        if not reusable:
            child.kill()

    def close(self) -> None:
        """End every child."""
        with self._lock:
            children = [*self._idle, *self._busy]
            self._idle.clear()
            self._busy.clear()
        for child in children:
            child.kill()
