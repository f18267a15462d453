"""Child processes of one plug-in, each with several episodes. They start when they are needed, and are replaced when
they die.
"""

from __future__ import annotations

import threading
from typing import Any

from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.logging import get_logger

from ..children import ChildProcess, ChildProgram
from ..errors import NotBegunError

__all__ = ["DeadProcessError", "PluginPool", "PluginProcess"]

_EPISODES_A_PROCESS = 1000
"""Number of episodes after which a process is replaced, because environments may leak memory."""
_PATIENCE = 3.0
"""Seconds that a request waits for its turn after the deadline of the request before it, which may hang until then."""

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
        """Send a request when the earlier ones are done, and return the reply: {"ok": …} or {"error": text}.

        Raises:
            DeadProcessError: the process had died before.
            NotBegunError: other requests kept the process busy for longer than one request may take.
            DeadlineError, UpstreamError: the process hung or died because of this request.
        """
        if not self._turn.acquire(timeout=seconds + _PATIENCE):
            raise NotBegunError(
                f"Other episodes kept the process of {self.what} busy for {seconds + _PATIENCE:g} s.",
                hint="Repeat the request, or raise A3T_ENV_PLUGIN_PROCESSES.",
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
        """Close the episodes that were left. If that fails, the error is dropped: the episode has ended anyway."""
        while self._closing and self.alive:
            episode = self._closing.pop()
            try:
                reply = self.request(self._seconds, {"op": "close", "episode": episode})
            except A3TError as error:
                reply = {"error": str(error)}
            if "error" in reply:
                log.warning("plugin.close_failed", plugin=self.what, problem=reply["error"])


class PluginPool:
    """Assigns episodes to processes. Thread-safe.

    Args:
        name: name of the environment.
        target: `module:Class`.
        size: most processes at the same time.
        start_seconds: deadline in seconds for the description and for a reset, each with the start of a process.
        step_seconds: deadline in seconds for every other request.
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
        """Ask the plug-in for its description. Raises InvalidInputError if that is invalid, DeadlineError,
        UpstreamError.
        """
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
        """Return the process for an episode: one without episodes, else a new one if there is room, else the one with
        the fewest episodes.
        """
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
