"""Child processes of one plug-in, each with several episodes: started when they are needed, replaced when they die."""

from __future__ import annotations

import threading
from typing import Any

from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.logging import get_logger

from ..children import ChildProcess, ChildProgram
from ..errors import NotBegunError

__all__ = ["DeadProcessError", "PluginPool", "PluginProcess"]

_EPISODES_A_PROCESS = 1000
"""A process is replaced after so many, because what an environment leaks stays in it."""
_PATIENCE = 3.0
"""Seconds that a request waits for its turn beyond the deadline of the one before it, which may hang to its end."""

log = get_logger(__name__)


class DeadProcessError(Exception):
    """The process died earlier, during another request."""


class PluginProcess(ChildProcess):
    """A child in which one request runs at a time."""

    def __init__(self, target: str, what: str) -> None:
        super().__init__(ChildProgram("a3t_env.plugins.child", what, (target,), keep_stderr=True))
        self.what = what
        self.episodes: set[int] = set()
        self.started = 0
        self._turn = threading.Lock()
        self._closing: list[int] = []
        self._seconds = 5.0

    def in_turn(self, seconds: float, op: str, **arguments: Any) -> dict[str, Any]:
        """Send a request when earlier ones are done: {"ok": …} or {"error": text}.

        Raises:
            DeadProcessError: the process was dead before.
            NotBegunError: other requests held the process for longer than one of them may take.
            DeadlineError, UpstreamError: the process hung or died over this request.
        """
        if not self._turn.acquire(timeout=seconds + _PATIENCE):
            raise NotBegunError(
                f"Other episodes kept the process of {self.what} busy for {seconds + _PATIENCE:g} s.",
                hint="Repeat it, or raise A3T_ENV_PLUGIN_PROCESSES.",
            )
        try:
            if not self.alive:
                raise DeadProcessError
            self._close_left()
            return self.request(seconds, {"op": op, **arguments})
        finally:
            self._turn.release()

    def leave(self, episode: int) -> None:
        """Close an episode at once, or before the next request if the process is busy."""
        self._closing.append(episode)
        if self._turn.acquire(blocking=False):
            try:
                self._close_left()
            finally:
                self._turn.release()

    def _close_left(self) -> None:
        """Close what was left; an environment that fails at that has lost the episode anyway."""
        while self._closing and self.alive:
            episode = self._closing.pop()
            try:
                reply = self.request(self._seconds, {"op": "close", "episode": episode})
            except A3TError as error:
                reply = {"error": str(error)}
            if "error" in reply:
                log.warning("plugin.close_failed", plugin=self.what, problem=reply["error"])


class PluginPool:
    """Places episodes. Thread-safe.

    Args:
        name: of the environment.
        target: `module:Class`.
        size: processes at a time.
        start_seconds: deadline of a description and of a reset, the start of a process included.
        step_seconds: deadline of every other request.
    """

    def __init__(self, name: str, target: str, size: int, start_seconds: float, step_seconds: float) -> None:
        self.start_seconds, self.step_seconds = start_seconds, step_seconds
        self.name, self.target = name, target
        self._size = size
        self._processes: list[PluginProcess] = []
        self._lock = threading.Lock()
        self._closed = False

    @property
    def what(self) -> str:
        """The name of the plug-in for error messages."""
        return f"the environment {self.name} ({self.target})"

    def describe(self) -> dict[str, Any]:
        """The description that the plug-in gives. Raises InvalidInputError where it is none, DeadlineError,
        UpstreamError."""
        process = self.place(-1)
        try:
            reply = process.in_turn(self.start_seconds, "describe")
        finally:
            self.leave(process, -1)
        if "error" in reply:
            raise InvalidInputError(f"{self.what[:1].upper()}{self.what[1:]} cannot be used: {reply['error']}")
        description: dict[str, Any] = reply["ok"]
        return description

    def place(self, episode: int) -> PluginProcess:
        """The process for an episode: one without episodes, a new one while there is room, or the least used."""
        with self._lock:
            self._processes = [p for p in self._processes if p.alive]
            usable = [p for p in self._processes if p.started < _EPISODES_A_PROCESS]
            chosen = min(usable, key=lambda p: len(p.episodes), default=None)
            if chosen is None or (chosen.episodes and len(self._processes) < self._size):
                chosen = PluginProcess(self.target, self.what)
                self._processes.append(chosen)
            chosen.started += 1
            chosen.episodes.add(episode)
        if self._closed:
            chosen.kill()
        return chosen

    def leave(self, process: PluginProcess, episode: int) -> None:
        """Free the place of an episode that has ended."""
        process.leave(episode)
        with self._lock:
            process.episodes.discard(episode)
            worn = not process.episodes and process.started >= _EPISODES_A_PROCESS
        if worn:
            process.kill()

    def close(self) -> None:
        """End every process."""
        self._closed = True
        with self._lock:
            processes, self._processes = self._processes, []
        for process in processes:
            process.kill()
