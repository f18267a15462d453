"""The session manager: opens, steps and closes the sessions of one process, and closes idle ones."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from a3t_contracts.errors import A3TError, ConflictError, GoneError, UpstreamError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionInfo, SessionStep, StepResult
from a3t_contracts.tracing import Span

from .. import metrics
from ..environments import Environments
from ..protocol import Outcome
from .interface import StepOutcome
from .session import Session, SessionLimits
from .start import close_episode, open_session
from .table import SessionTable
from .threads import EnginePools, EngineThreads, NotBegunError, StuckError
from .traced import step_span, tell_step

__all__ = ["SessionManager"]

ResultT = TypeVar("ResultT")
_LOOP_SLICE = 0.005
"""Most seconds for which a batch of inline steps blocks the event loop without a pause."""

log = get_logger(__name__)


class SessionManager:
    """The sessions of one process. All methods must be called from one event loop.

    Engines that answer in microseconds run on the event loop, because a thread would take more time than the step. All
    other engines run in threads.

    Raises NotFoundError (unknown session, task, …), GoneError (session closed), ConflictError (two steps at once,
    wrong index, episode over), OverloadedError (too many sessions), DeadlineError (the engine hangs), UpstreamError
    (the engine failed).
    """

    def __init__(
        self,
        environments: Environments,
        limits: SessionLimits | None = None,
        *,
        slot: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.environments = environments
        self.limits = limits or SessionLimits()
        self._clock = clock
        self._table = SessionTable(self.limits, slot, clock)
        self._pools = EnginePools(self.limits.threads)
        self._disposals: set[asyncio.Task[None]] = set()
        self._restarting: set[str] = set()

    def __len__(self) -> int:
        return len(self._table)

    async def create(self, request: SessionCreate) -> SessionInfo:
        """Open a session and start its episode."""
        await self.reap()
        return await self._start(self._table.new_id(), request)

    async def restart(self, session_id: str, request: SessionCreate) -> SessionInfo:
        """Start another episode under an earlier session id. A running episode is closed first.

        Protocols that reset the same environment several times use this. The session may have ended in the meantime.
        Raises NotFoundError for an unknown id, ConflictError while another episode is being started under it.
        """
        if session_id in self._restarting:
            raise ConflictError(f"Another episode of session {session_id} is being started.")
        session = self._table.remove(session_id, "is being restarted")
        self._restarting.add(session_id)
        try:
            if session is not None:
                await self._dispose(session, "restarted")
            return await self._start(session_id, request)
        finally:
            self._restarting.discard(session_id)

    async def _start(self, session_id: str, request: SessionCreate) -> SessionInfo:
        self._table.reserve()
        try:
            began = time.perf_counter()
            session, actions = await self._threads(request.environment).call(
                lambda: open_session(self.environments, request, session_id, self._clock()),
                self.limits.start_deadline,
                f"Starting task {request.task_id[:200]!r}",
                late=lambda opened: close_episode(opened[0]),
            )
            self._table.add(session)
        finally:
            self._table.release()
        metrics.STARTS.labels(request.environment, session.engine).observe(time.perf_counter() - began)
        return session.info(actions)

    async def info(self, session_id: str, include_actions: bool = False) -> SessionInfo:
        """The present state of a session."""
        session = self._table.get(session_id)
        wanted = session.wants_actions(include_actions)
        return session.info(await self._read(session, session.episode.actions) if wanted else None)

    async def actions(self, session_id: str) -> list[str]:
        """Admissible actions of the present state."""
        session = self._table.get(session_id)
        return await self._read(session, session.episode.actions)

    async def sample(self, session_id: str, request: SampleRequest) -> str:
        """Draw one action uniformly from the action space. The same seed and state give the same action."""
        session = self._table.get(session_id)
        return await self._read(session, lambda: session.episode.sample(request.seed, request.avoid))

    async def expert(self, session_id: str) -> str:
        """The scripted expert's next action."""
        session = self._table.get(session_id)
        return await self._read(session, session.episode.expert)

    async def step(
        self, session_id: str, action: str, index: int | None = None, include_actions: bool = False
    ) -> StepResult:
        """Carry out one step, or return the earlier result of the same step."""
        session = self._table.get(session_id)
        wanted = session.wants_actions(include_actions)
        if session.inline:
            return self._step_inline(session, action, index, wanted)
        return await self._step_blocking(session, action, index, wanted)

    async def step_many(self, steps: Sequence[SessionStep], include_actions: bool = False) -> list[StepOutcome]:
        """Carry out steps of many sessions. The results are in the order of the request; the result of a failed step is
        its problem document.

        A session may occur several times if each of its steps has an index; its steps are then carried out in order.
        """
        results: list[StepOutcome | None] = [None] * len(steps)
        blocking: dict[str, list[int]] = {}
        seen: set[str] = set()
        rest_at = self._clock() + _LOOP_SLICE
        for place, step in enumerate(steps):
            try:
                _refuse_twice(step, seen)
                session = self._table.get(step.session_id)
                if session.inline:
                    wanted = session.wants_actions(include_actions)
                    results[place] = self._step_inline(session, step.action, step.index, wanted)
                else:
                    blocking.setdefault(step.session_id, []).append(place)
            except A3TError as error:
                results[place] = error.problem()
            if self._clock() > rest_at:
                await asyncio.sleep(0)
                rest_at = self._clock() + _LOOP_SLICE

        async def in_turn(places: list[int]) -> None:
            for place in places:
                results[place] = await self._attempt(steps[place], include_actions)

        if blocking:
            await asyncio.gather(*(in_turn(places) for places in blocking.values()))
        return [result for result in results if result is not None]

    async def close(self, session_id: str) -> None:
        """Close a session. Closing it again is not an error. Raises NotFoundError for an unknown id."""
        session = self._table.remove(session_id, "is closed")
        if session is not None:
            await self._dispose(session, "closed")

    async def reap(self) -> int:
        """Close the sessions that were not used for `idle_seconds`, and return their number."""
        idle = self._table.idle()
        for session in idle:
            self._table.remove(session.id, f"was closed after {self.limits.idle_seconds:g} s without use")
            await self._dispose(session, "reaped")
        if idle:
            log.info("sessions.reaped", count=len(idle), open=len(self._table))
        return len(idle)

    async def aclose(self) -> None:
        """Close every session and the threads."""
        for session in self._table:
            self._table.remove(session.id, "ended with the service")
            self._dispose(session, "shutdown")
        await asyncio.gather(*self._disposals)
        self._pools.shutdown()

    def _threads(self, environment: str) -> EngineThreads:
        """The threads of an environment. Unknown names share one pool."""
        return self._pools.of(environment if environment in self.environments else "")

    async def _attempt(self, step: SessionStep, include_actions: bool) -> StepOutcome:
        try:
            return await self.step(step.session_id, step.action, step.index, include_actions)
        except A3TError as error:
            return error.problem()

    def _step_inline(self, session: Session, action: str, index: int | None, wanted: bool) -> StepResult:
        result = session.repeated(action, index)
        if result is None:
            with step_span(session, action) as here:
                try:
                    outcome, actions = _advance(session, action, wanted)
                except Exception as error:
                    raise self._failed(session, error) from error
                return self._made(session, action, outcome, actions, here)
        if wanted and result.actions is None:
            result.actions = session.episode.actions()
        return result

    async def _step_blocking(self, session: Session, action: str, index: int | None, wanted: bool) -> StepResult:
        if session.making is not None:
            making, future = session.making
            if index == session.steps and action == making:
                return await asyncio.shield(future)
            raise ConflictError(
                f"Another step of session {session.id} is running.", hint="Send one step of a session at a time."
            )
        result = session.repeated(action, index)
        if result is not None:
            if wanted and result.actions is None:
                result.actions = await self._read(session, session.episode.actions)
            return result
        return await self._make(session, action, wanted)

    async def _make(self, session: Session, action: str, wanted: bool) -> StepResult:
        """Carry out a step in a thread. Requests that repeat the step while it runs get the same result or error."""
        future: asyncio.Future[StepResult] = asyncio.get_running_loop().create_future()
        session.making = (action, future)
        try:
            with step_span(session, action) as here:
                advance = partial(_advance, session, action, wanted)
                outcome, actions = await self._exclusive(session, advance, self._failed)
                result = self._made(session, action, outcome, actions, here)
        except BaseException as error:
            future.set_exception(error if isinstance(error, A3TError) else UpstreamError("The step was cancelled."))
            future.exception()
            raise
        else:
            future.set_result(result)
            return result
        finally:
            session.making = None
            self._table.touch(session)

    async def _read(self, session: Session, run: Callable[[], ResultT]) -> ResultT:
        """Make a call that does not change the episode."""
        if not session.inline:
            return await self._exclusive(session, run, self._refused)
        try:
            return run()
        except Exception as error:
            raise self._refused(session, error) from error

    async def _exclusive(
        self, session: Session, run: Callable[[], ResultT], failed: Callable[[Session, Exception], A3TError]
    ) -> ResultT:
        """Call `run` in a thread while no other thread uses the session. If the call hangs or fails, the session
        ends.
        """
        what = f"The {session.engine} engine of session {session.id}"
        async with session.lock:
            self._table.get(session.id)
            try:
                return await self._threads(session.task.environment).call(run, self.limits.step_deadline, what)
            except StuckError as error:
                self._end(session, "was ended because its engine hung", "hung", stuck=True)
                error.hint = "The session is closed: open a new one."
                raise
            except NotBegunError:
                raise
            except Exception as error:
                raise failed(session, error) from error

    def _refused(self, session: Session, error: Exception) -> A3TError:
        """The error to raise for a call that changes nothing. A refusal (no expert for this task, …) does not end
        the session.
        """
        if isinstance(error, A3TError) and error.status < 500 and not isinstance(error, GoneError):
            return error
        return self._failed(session, error)

    def _failed(self, session: Session, error: Exception) -> A3TError:
        """The error to raise for a step. If the engine failed, the session ends."""
        log.error("session.failed", session=session.id, task=session.task.id, **session.ids, exc_info=error)
        self._end(session, f"was ended because its engine failed: {str(error)[:500]}", "failed")
        if isinstance(error, A3TError):
            return error
        return UpstreamError(
            f"The {session.engine} engine of session {session.id} failed: {type(error).__name__}: {error}",
            hint="The session is closed: open a new one.",
        )

    def _made(
        self, session: Session, action: str, outcome: Outcome, actions: list[str] | None, here: Span
    ) -> StepResult:
        metrics.steps(session.task.environment, session.engine).inc()
        result = session.record(action, outcome, actions)
        tell_step(here, result)
        return result

    def _end(self, session: Session, why: str, reason: str, stuck: bool = False) -> None:
        if self._table.remove(session.id, why) is not None:
            self._dispose(session, reason, stuck)

    def _dispose(self, session: Session, reason: str, stuck: bool = False) -> asyncio.Task[None]:
        """Close the episode after its running call has returned, or at once if that call is stuck."""

        threads = self._threads(session.task.environment)

        async def close() -> None:
            if session.inline:
                close_episode(session)
            elif stuck:
                await threads.close(lambda: close_episode(session))
            else:
                async with session.lock:
                    await threads.close(lambda: close_episode(session))

        metrics.CLOSED.labels(reason).inc()
        task = asyncio.create_task(close())
        self._disposals.add(task)
        task.add_done_callback(self._disposals.discard)
        return task


def _advance(session: Session, action: str, wanted: bool) -> tuple[Outcome, list[str] | None]:
    outcome = session.episode.step(action)
    return outcome, session.episode.actions() if wanted else None


def _refuse_twice(step: SessionStep, seen: set[str]) -> None:
    if step.index is None and step.session_id in seen:
        raise ConflictError(
            f"Session {step.session_id[:80]} is in the batch twice.", hint="Give each of its steps an index."
        )
    seen.add(step.session_id)
