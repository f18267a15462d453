"""An episode at a remote server, which survives lost replies and a restart of that server."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from typing import TypeVar

from tenacity import Retrying, retry_if_exception_type, wait_chain, wait_fixed

from a3t_contracts.errors import ConflictError, DeadlineError, InvalidInputError, NotFoundError, UpstreamError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import EnvironmentInfo, Task

from .. import metrics
from ..errors import NotOfferedError
from ..plugins.results import Reply
from ..protocol import Outcome
from .backend import Backend, Handle
from .deadline import left, within
from .lost import BusyError, EpisodeLostError, RefusedError, ReplyLostError

__all__ = ["RemoteEpisode"]

ResultT = TypeVar("ResultT")
_PAUSES = (0.0, 0.1, 0.3, 1.0, 2.0)
"""Seconds of waiting before each further attempt. Their sum is about the time that a server takes to restart."""
_DRAWS = 8
"""Most seeds to try for a sampled action that is not the one to avoid."""
_CLOSE_SECONDS = 5.0

_retrying = Retrying(
    retry=retry_if_exception_type((BusyError, ReplyLostError, EpisodeLostError)),
    wait=wait_chain(*map(wait_fixed, _PAUSES)),
    stop=lambda state: state.attempt_number > len(_PAUSES) or _PAUSES[state.attempt_number - 1] >= left(),
    reraise=True,
)

log = get_logger(__name__)


class RemoteEpisode:
    """Remembers its actions and a digest of each result. If the server has lost the episode, it opens another, repeats
    the actions, and continues if every result is the same as before.

    Args:
        start_seconds: deadline of the start, in seconds.
        step_seconds: deadline of every other call, in seconds, for all its attempts and a repetition of the episode.
    """

    def __init__(
        self,
        backend: Backend,
        info: EnvironmentInfo,
        task: Task,
        seed: int,
        options: Mapping[str, str],
        *,
        start_seconds: float,
        step_seconds: float,
    ) -> None:
        self._backend, self._info, self._task, self._seed, self._options = backend, info, task, seed, options
        self._start_seconds, self._step_seconds = start_seconds, step_seconds
        self._handle: Handle | None = None
        self._past: list[tuple[str, bytes]] = []
        self._began = b""
        self._last: Reply | None = None

    def start(self) -> Outcome:
        """Start the episode, and return the first observation."""
        with within(self._start_seconds):
            self._last = self._attempt(self._open, restart=False)
        self._began = _digest(self._last.outcome)
        return self._last.outcome

    def step(self, action: str) -> Outcome:
        """Carry out an action. If the reply is lost, the step is sent again or the episode is repeated."""
        index = len(self._past)
        with within(self._step_seconds):
            answer = self._attempt(lambda: self._running().step(action, index), repeats=self._backend.repeats)
        self._past.append((action, _digest(answer.outcome)))
        self._last = answer
        return answer.outcome

    def actions(self) -> list[str]:
        """Admissible actions. They came with the last reply, or the server is asked for them."""
        if self._last is not None and self._last.actions is not None:
            return self._last.actions
        if not self._info.lists_actions:
            raise NotOfferedError(f"{self._info.name} does not list its actions.")
        found = self._ask(lambda handle: handle.actions())
        if self._last is not None:
            self._last.actions = found
        return found

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """Return an action that the server draws, or one drawn uniformly from the actions that it lists.

        Raises NotOfferedError if the server does neither, ConflictError if no action is admissible.
        """
        if self._backend.draws:
            return self._own_sample(seed, avoid)
        if not self._info.lists_actions:
            raise NotOfferedError(f"{self._info.name} neither draws nor lists actions.")
        choices = self.actions()
        if not choices:
            raise ConflictError(f"{self._info.name} lists no admissible action now.")
        return random.Random(seed).choice([action for action in choices if action != avoid] or choices)

    def _own_sample(self, seed: int, avoid: str | None) -> str:
        seeds = random.Random(seed)
        action = self._ask(lambda handle: handle.sample(seed))
        for _ in range(_DRAWS):
            if action != avoid:
                break
            action = self._ask(lambda handle: handle.sample(seeds.getrandbits(31)))
        return action

    def expert(self) -> str:
        """The expert's next action. Raises NotOfferedError if the environment has no expert."""
        if not self._info.expert:
            raise NotOfferedError(f"{self._info.name} has no expert.")
        return self._ask(lambda handle: handle.expert())

    def close(self) -> None:
        """End the episode at the server, if the server still knows it."""
        handle, self._handle = self._handle, None
        if handle is None:
            return
        with within(_CLOSE_SECONDS):
            try:
                handle.close()
            except EpisodeLostError:
                return
            except (ReplyLostError, BusyError) as error:
                log.warning("remote.close_failed", environment=self._info.name, error=str(error))

    def _ask(self, question: Callable[[Handle], ResultT]) -> ResultT:
        with within(self._step_seconds):
            return self._attempt(lambda: question(self._running()), repeats=True)

    def _attempt(self, call: Callable[[], ResultT], *, repeats: bool = True, restart: bool = True) -> ResultT:
        """Make a call, and make it again after an error that another call can repair.

        Args:
            repeats: whether the call may be made twice in the same episode; if not, a lost reply ends the episode.
            restart: whether a lost episode is repeated; if not, the error is raised.
        """

        def attempt() -> ResultT:
            try:
                return call()
            except ReplyLostError as error:
                if left() == 0.0:
                    raise DeadlineError(error.detail) from error
                if restart and not repeats:
                    self._forget(error, running=True)
                raise
            except RefusedError as error:
                if not restart:
                    raise InvalidInputError(error.detail) from error
                raise
            except EpisodeLostError as error:
                if not restart:
                    raise NotFoundError(error.detail) from error
                self._forget(error, running=False)
                raise

        try:
            return _retrying(attempt)
        except BusyError as error:
            raise error.error from error

    def _open(self) -> Reply:
        self._handle, answer = self._backend.open(self._task, self._seed, self._options)
        return answer

    def _running(self) -> Handle:
        """The episode at the server. If the last one was lost, this is a new one with the same actions."""
        if self._handle is None:
            self._handle = self._replayed()
        return self._handle

    def _replayed(self) -> Handle:
        metrics.REPLAYS.labels(self._info.name).inc()
        handle, answer = self._backend.open(self._task, self._seed, self._options)
        try:
            self._compare(0, "its start", self._began, answer)
            for index, (action, before) in enumerate(self._past):
                self._compare(index + 1, repr(action[:200]), before, handle.step(action, index))
        except Exception:
            self._close_quietly(handle)
            raise
        return handle

    def _compare(self, number: int, what: str, before: bytes, now: Reply) -> None:
        if _digest(now.outcome) != before:
            raise UpstreamError(
                f"{self._info.name} lost the episode of task {self._task.id!r}, and its repetition went differently: "
                f"after {what} (observation {number}) it now says {now.outcome.observation[:200]!r}.",
                hint="Play the task again. Episodes can be repeated if task, seed and actions determine the results.",
            )

    def _forget(self, error: Exception, *, running: bool) -> None:
        log.info("remote.lost", environment=self._info.name, task=self._task.id, steps=len(self._past), why=str(error))
        lost, self._handle = self._handle, None
        if lost is not None and running:
            self._close_quietly(lost)

    def _close_quietly(self, handle: Handle) -> None:
        """End an episode that may still run at the server, and log errors."""
        try:
            with within(1.0):
                handle.close()
        except (UpstreamError, BusyError) as error:
            log.info("remote.close_failed", environment=self._info.name, error=str(error))


def _digest(outcome: Outcome) -> bytes:
    text = f"{outcome.reward!r} {outcome.done} {outcome.success} {outcome.valid} {outcome.observation}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()
