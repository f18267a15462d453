"""Plays one episode from its first observation to its reward."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TypeVar

from a3t_contracts.errors import A3TError, DeadlineError, NotFoundError, TooLargeError, UnplayableError
from a3t_contracts.logging import get_logger
from a3t_contracts.react import History, Turn
from a3t_contracts.schemas import (
    SessionCreate,
    SessionInfo,
    Step,
    StepResult,
    StopReason,
    Trajectory,
    TrajectoryKind,
)
from a3t_contracts.tracing import origin_here

from ..gateway import EpisodeLostError, Gateway
from .actors import Actor, Choice, actor_for
from .plan import EpisodePlan

__all__ = ["play", "play_with_restarts", "session_of", "with_restarts"]

Result = TypeVar("Result")

log = get_logger(__name__)


async def play_with_restarts(plan: EpisodePlan, gateway: Gateway) -> Trajectory:
    """Play an episode, and restart it if its session was lost, at most `limits.episode_retries` times."""
    return await with_restarts(lambda: play(plan, gateway), gateway)


async def with_restarts(attempt: Callable[[], Awaitable[Result]], gateway: Gateway) -> Result:
    """Make an attempt that opens a session, and repeat it if the session was lost, at most `limits.episode_retries`
    times."""
    for restart in range(gateway.limits.episode_retries + 1):
        try:
            return await attempt()
        except EpisodeLostError as error:
            log.info("episode.restarted", restart=restart + 1, error=str(error))
            lost = error
    raise lost


async def play(plan: EpisodePlan, gateway: Gateway) -> Trajectory:
    """Play an episode in a new session, and return its trajectory.

    Raises:
        EpisodeLostError: the env service lost the session.
        UnplayableError: the task or its game is missing or broken, so that trying again does not help.
        A3TError: a service could not be reached, or refused the call; the message names the service.
    """
    request = SessionCreate(
        environment=plan.environment,
        task_id=plan.task_id,
        engine=plan.engine,
        seed=plan.seed,
        max_steps=plan.max_steps,
        options=plan.options,
        origin=origin_here(),
    )
    async with session_of(request, gateway) as session:
        return await _Episode(plan, gateway, session).run()


@asynccontextmanager
async def session_of(request: SessionCreate, gateway: Gateway) -> AsyncIterator[SessionInfo]:
    """Open a session of the env service and close it at the end. Raises UnplayableError if the task is missing."""
    try:
        session = await gateway.patient(lambda: gateway.env.create(request))
    except NotFoundError as error:
        raise UnplayableError(error.detail, hint=error.hint) from error
    try:
        yield session
    finally:
        await _close(gateway, session.id)


class _Episode:
    """The state of a running episode."""

    def __init__(self, plan: EpisodePlan, gateway: Gateway, session: SessionInfo) -> None:
        self.plan = plan
        self.gateway = gateway
        self.session = session
        self.actor: Actor = actor_for(plan, gateway, session.id)
        self.history = History(
            environment=plan.environment,
            observation=session.observation,
            preamble=plan.preamble,
            multiline=session.multiline,
            prompt=plan.prompt,
        )
        self.steps: list[Step] = []
        self.last = session.observation
        self.seen, self.stale = {session.observation}, 0
        self.reward, self.success = session.reward, session.success
        self.started = time.monotonic()

    async def run(self) -> Trajectory:
        stop = StopReason.done if self.session.done else None
        while stop is None:
            stop = await self._turn()
        return self._finished(StopReason.success if self.success else stop)

    async def _turn(self) -> StopReason | None:
        """Play one step; returns why the episode ends, or None."""
        if time.monotonic() - self.started > self.gateway.limits.episode_seconds:
            limit = self.gateway.limits.episode_seconds
            raise DeadlineError(
                f"The episode of task {self.plan.task_id} took longer than {limit:.0f} s.",
                hint="Raise limits.episode_seconds, or lower limits.max_steps.",
            )
        try:
            choice = await self.actor.choose(self.history)
        except TooLargeError:
            return StopReason.context
        index, before = len(self.steps), time.perf_counter()
        result = await self.gateway.step(self.session.id, choice.action, index)
        choice.seconds["env"] = round(time.perf_counter() - before, 4)
        self._record(index, choice, result)
        if result.done:
            cap = len(self.steps) >= self.session.max_steps and not result.success
            return StopReason.max_steps if cap else StopReason.done
        if len(self.steps) >= self.session.max_steps:
            return StopReason.max_steps
        if self.plan.max_stale and self.stale >= self.plan.max_stale:
            return StopReason.max_stale
        most = self.plan.max_invalid
        return StopReason.max_invalid if most and self.actor.invalid_streak >= most else None

    def _record(self, index: int, choice: Choice, result: StepResult) -> None:
        self.actor.observe(choice, result.valid)
        self.steps.append(choice.step(index, self.last, result.valid))
        self.history.turns.append(
            Turn(
                thought=choice.thought,
                action=choice.action,
                observation=result.observation,
                completion=choice.completion,
                completion_ids=choice.completion_ids,
            )
        )
        self.stale = self.stale + 1 if result.observation in self.seen else 0
        self.seen.add(result.observation)
        self.last, self.success = result.observation, result.success
        self.reward += result.reward

    def _finished(self, stop: StopReason) -> Trajectory:
        plan = self.plan
        return Trajectory(
            id=plan.id,
            run=plan.run,
            round=plan.round,
            environment=plan.environment,
            engine=self.session.engine,
            split=plan.split,
            task_id=plan.task_id,
            task_type=plan.task_type or self.session.task.type,
            seed=plan.seed,
            kind=plan.kind,
            sample=plan.sample,
            policy_version=self._version(),
            preamble=plan.preamble,
            multiline=self.session.multiline,
            prompt=plan.prompt,
            steps=self.steps,
            final_observation=self.last,
            reward=self.reward,
            success=self.success,
            stop_reason=stop,
            created_at=datetime.now(UTC),
            seconds=round(time.monotonic() - self.started, 4),
        )

    def _version(self) -> str | None:
        """The adapter version that generated the policy's steps."""
        if self.plan.kind is TrajectoryKind.demonstration:
            return None
        versions = {s.policy_version for s in self.steps if s.policy_version is not None}
        return versions.pop() if len(versions) == 1 else self.plan.policy_version


async def _close(gateway: Gateway, session_id: str) -> None:
    """Close the session. If that fails, the env service closes it after its idle time."""
    try:
        await gateway.env.close(session_id)
    except A3TError as error:
        log.info("session.not_closed", session=session_id, error=str(error))
