"""Calls between server processes: `Peer` calls the sessions of another process, `listen` answers such calls."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from typing_extensions import override

from a3t_contracts.errors import A3TError, Problem, UnavailableError, error_from_problem
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionInfo, SessionStep, StepResult
from a3t_contracts.wire import FrameProtocol

from ..sessions.interface import Sessions, StepOutcome
from .wire import (
    ACTIONS,
    CALLS,
    CLOSE,
    CREATE,
    EXPERT,
    FAILED,
    INFO,
    OK,
    RESTART,
    SAMPLE,
    STEP,
    STEP_MANY,
    Call,
)

__all__ = ["Peer", "listen"]

ResultT = TypeVar("ResultT")
log = get_logger(__name__)


class Peer(Sessions):
    """The sessions of another process, which listens on a Unix socket.

    Calls raise UnavailableError if the process has ended; the supervisor starts another in its place.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[bytes]] = {}
        self._wire: FrameProtocol | None = None
        self._connecting = asyncio.Lock()

    @override
    async def create(self, request: SessionCreate) -> SessionInfo:
        return await self._call(CREATE, request)

    @override
    async def restart(self, session_id: str, request: SessionCreate) -> SessionInfo:
        return await self._call(RESTART, session_id, request)

    @override
    async def info(self, session_id: str, include_actions: bool = False) -> SessionInfo:
        return await self._call(INFO, session_id, include_actions)

    @override
    async def actions(self, session_id: str) -> list[str]:
        return await self._call(ACTIONS, session_id)

    @override
    async def sample(self, session_id: str, request: SampleRequest) -> str:
        return await self._call(SAMPLE, session_id, request)

    @override
    async def expert(self, session_id: str) -> str:
        return await self._call(EXPERT, session_id)

    @override
    async def step(
        self, session_id: str, action: str, index: int | None = None, include_actions: bool = False
    ) -> StepResult:
        return await self._call(STEP, session_id, action, index, include_actions)

    @override
    async def step_many(self, steps: Sequence[SessionStep], include_actions: bool = False) -> list[StepOutcome]:
        return await self._call(STEP_MANY, steps, include_actions)

    @override
    async def close(self, session_id: str) -> None:
        await self._call(CLOSE, session_id)

    def disconnect(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.transport.close()

    async def _call(self, call: Call[ResultT], *arguments: Any) -> ResultT:
        wire = self._wire or await self._connect()
        number = next(self._numbers)
        reply = self._waiting[number] = asyncio.get_running_loop().create_future()
        wire.send(number, call.code, call.arguments.dump_json(arguments))
        try:
            return call.result.validate_json(await reply)
        finally:
            self._waiting.pop(number, None)

    async def _connect(self) -> FrameProtocol:
        async with self._connecting:
            if self._wire is None:
                try:
                    _, self._wire = await asyncio.get_running_loop().create_unix_connection(
                        lambda: FrameProtocol(self._received, self._lost), str(self._socket)
                    )
                except OSError as error:
                    raise _gone() from error
            return self._wire

    def _received(self, _: FrameProtocol, number: int, code: int, body: bytes) -> None:
        reply = self._waiting.get(number)
        if reply is None or reply.done():
            return
        if code == OK:
            reply.set_result(body)
        else:
            reply.set_exception(error_from_problem(Problem.model_validate_json(body)))

    def _lost(self) -> None:
        self._wire = None
        for reply in self._waiting.values():
            if not reply.done():
                reply.set_exception(_gone())


async def listen(sessions: Sessions, socket: Path) -> asyncio.Server:
    """Answer other processes' calls on a Unix socket."""
    running: set[asyncio.Task[None]] = set()

    def received(wire: FrameProtocol, number: int, code: int, body: bytes) -> None:
        task = asyncio.create_task(_answer(sessions, wire, number, code, body))
        running.add(task)
        task.add_done_callback(running.discard)

    socket.unlink(missing_ok=True)
    return await asyncio.get_running_loop().create_unix_server(
        lambda: FrameProtocol(received, lambda: None), str(socket)
    )


async def _answer(sessions: Sessions, wire: FrameProtocol, number: int, code: int, body: bytes) -> None:
    call = CALLS[code]
    try:
        result = await getattr(sessions, call.name)(*call.arguments.validate_json(body))
        wire.send(number, OK, call.result.dump_json(result))
    except A3TError as error:
        wire.send(number, FAILED, _problem_json(error))
    except Exception:
        log.exception("peer.failed", call=call.name)
        wire.send(number, FAILED, _problem_json(A3TError("An unexpected error in another process, which logged it.")))


def _problem_json(error: A3TError) -> bytes:
    return error.problem().model_dump_json().encode()


def _gone() -> UnavailableError:
    return UnavailableError(
        "The server process that held this session has ended; another is being started.",
        hint="Its sessions are lost: open a new session, and repeat the episode's actions.",
    )
