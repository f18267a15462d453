"""One episode of a plug-in. Several episodes share a child process, which may die because of any of them."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Any, TypeVar

import orjson

from a3t_contracts.errors import A3TError, ConflictError, DeadlineError, GoneError, UnplayableError, UpstreamError

from ..errors import NotBegunError, NotOfferedError
from ..protocol import Outcome
from .pool import DeadProcessError, PluginPool, PluginProcess
from .spec import PluginSpec

__all__ = ["PluginEpisode"]

ResultT = TypeVar("ResultT")
_MOST_REPLAYS = 4
_DRAWS = 8
"""Most seeds to try for a sampled action that is not the one to avoid."""


class PluginEpisode:
    """Implements `a3t_env.protocol.Episode`.

    If the process dies because of another episode, this episode is repeated in a new process: the reset, and the same
    actions. It continues only if they give the same results as before. If the plug-in raises, hangs, dies or returns an
    invalid result, calls raise UpstreamError or DeadlineError, and the episode is lost.
    """

    def __init__(
        self, number: int, pool: PluginPool, spec: PluginSpec, task_id: str, seed: int, options: Mapping[str, str]
    ) -> None:
        self._number, self._pool, self._spec = number, pool, spec
        self._task_id = task_id
        self._reset = {"task": spec.tasks[task_id], "seed": seed, "options": dict(options)}
        self._process: PluginProcess | None = None
        self._first: bytes | None = None
        self._made: list[tuple[str, bytes]] = []
        """The actions so far, each with a digest of its result."""
        self._actions: list[str] | None = None
        self._lost: A3TError | None = None
        self._closed = False
        self._replays = 0

    def start(self) -> Outcome:
        """Start the episode, and return the first observation."""
        state = self._persist(self._begin)
        self._first, self._made = _digest(state), []
        return self._take_in(state)

    def step(self, action: str) -> Outcome:
        """Carry out an action."""
        state = self._ask("step", action=action)
        self._made.append((action, _digest(state)))
        return self._take_in(state)

    def actions(self) -> list[str]:
        """Admissible actions. Raises NotOfferedError if the plug-in does not list them."""
        if not self._spec.info.lists_actions:
            raise self._not_offered("does not list its actions")
        if self._actions is None:
            self._actions = list(self._ask("actions"))
        return list(self._actions)

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """Return an action that the plug-in draws, or else one drawn uniformly from the admissible actions.

        Raises NotOfferedError if the plug-in does neither, ConflictError if no action is admissible.
        """
        if self._spec.samples_itself:
            return self._own_sample(seed, avoid)
        if not self._spec.info.samples:
            raise self._not_offered("neither draws nor lists actions")
        choices = self.actions()
        if not choices:
            raise ConflictError(f"{self._spec.name} lists no admissible action now.")
        return random.Random(seed).choice([a for a in choices if a != avoid] or choices)

    def expert(self) -> str:
        """The next action of the plug-in's scripted expert. Raises NotOfferedError if it has none."""
        if not self._spec.info.expert:
            raise self._not_offered("has no expert")
        return str(self._ask("expert"))

    def close(self) -> None:
        """Close the plug-in's episode, without waiting for a busy process."""
        self._closed = True
        self._leave()

    def _own_sample(self, seed: int, avoid: str | None) -> str:
        seeds = random.Random(seed)
        action = str(self._ask("sample", seed=seed))
        for _ in range(_DRAWS):
            if action != avoid:
                break
            action = str(self._ask("sample", seed=seeds.getrandbits(32)))
        return action

    def _ask(self, op: str, **arguments: Any) -> Any:
        """Send a request to the current process, or to a new one if that died because of another episode."""
        if self._lost is not None:
            raise self._lost
        if self._process is None or self._first is None:
            raise GoneError("The episode is closed or was not started.")
        try:
            return self._request(self._process, op, arguments, self._pool.step_seconds)
        except DeadProcessError:
            self._persist(self._repeat)
            return self._ask(op, **arguments)

    def _request(self, process: PluginProcess, op: str, arguments: Mapping[str, Any], seconds: float) -> Any:
        try:
            reply = process.in_turn(seconds, op, episode=self._number, **arguments)
        except NotBegunError:
            raise
        except (DeadlineError, UpstreamError) as error:
            self._lose(error)
            raise
        if reply.get("unplayable"):
            raise self._lose(
                UnplayableError(f"The task {self._task_id} of {self._spec.name} can never be played: {reply['error']}.")
            )
        if "error" in reply:
            raise self._lose(
                UpstreamError(
                    f"The environment {self._spec.name} ({self._spec.target}) failed: {reply['error']}.",
                    hint="Only this episode is lost.",
                )
            )
        return reply["ok"]

    def _begin(self) -> Any:
        """Take a process, reset the episode in it, and return the state. Raises DeadProcessError."""
        self._leave()
        if self._closed:
            raise GoneError("The episode is closed.")
        process = self._process = self._pool.place(self._number)
        return self._request(process, "reset", self._reset, self._pool.start_seconds)

    def _persist(self, attempt: Callable[[], ResultT]) -> ResultT:
        """Call `attempt`, and call it again if the process dies because of another episode."""
        while self._replays < _MOST_REPLAYS:
            self._replays += 1
            try:
                return attempt()
            except DeadProcessError:
                continue
        raise self._lose(
            UpstreamError(f"The processes of {self._pool.what} die again and again because of other episodes.")
        )

    def _repeat(self) -> None:
        """Bring a new process to the state of the old one. Raises UpstreamError if it does not reach that state."""
        self._require_same(_digest(self._begin()) == self._first, "the reset")
        for number, (action, digest) in enumerate(self._made):
            if self._process is None:
                raise GoneError("The episode is closed.")
            state = self._request(self._process, "step", {"action": action}, self._pool.step_seconds)
            self._require_same(_digest(state) == digest, f"step {number}")

    def _require_same(self, same: bool, what: str) -> None:
        if not same:
            raise self._lose(
                UpstreamError(
                    f"The process of {self._pool.what} died because of another episode, and this one could not be "
                    f"repeated: {what} gave a different result than before.",
                    hint="An environment whose results depend only on task, seed and actions can be repeated.",
                )
            )

    def _take_in(self, state: Mapping[str, Any]) -> Outcome:
        self._actions = state["actions"]
        return Outcome(**{name: value for name, value in state.items() if name != "actions"})

    def _lose(self, error: A3TError) -> A3TError:
        self._lost = error
        self._leave()
        return error

    def _leave(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            self._pool.leave(process, self._number)

    def _not_offered(self, what: str) -> NotOfferedError:
        return NotOfferedError(
            f"The environment {self._spec.name} {what}.", hint="`GET /v1/environments` says what each environment has."
        )


def _digest(state: Mapping[str, Any]) -> bytes:
    """A digest of what an agent sees of a state. It leaves `info` out, which may have times and the like."""
    seen = [state[name] for name in ("observation", "reward", "done", "success", "valid")]
    return blake2b(orjson.dumps(seen), digest_size=8).digest()
