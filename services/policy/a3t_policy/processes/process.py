"""The service's side of one engine process: starts it, calls it, and reports its end."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncGenerator, Callable
from multiprocessing.process import BaseProcess

from a3t_contracts.errors import A3TError, Problem, UnavailableError, error_from_problem
from a3t_contracts.wire import FrameProtocol

from ..generation import Delta, Generated
from ..metrics import Usage
from ..settings import PolicySettings
from .calls import (
    ASKED,
    CANCEL,
    DELTA,
    DELTAS,
    DONE,
    FACTS,
    FAILED,
    GENERATE,
    GENERATED,
    OVER,
    USAGE,
    VERSION,
    Asked,
    EngineFacts,
    NamedVersion,
)
from .forking import forking

__all__ = ["EngineProcess", "Over"]

_END_SECONDS = 5.0

News = Delta | Generated | A3TError
Over = Callable[[Usage | None], None]
"""Called with the usage of a generation; None if it never began or its process ended."""


class EngineProcess:
    """A running engine process.

    Args:
        number: number of the process in its group.
        lost: called once if the process ends although nobody closed it.
    """

    def __init__(self, number: int, lost: Callable[[EngineProcess], None]) -> None:
        self.number, self._lost = number, lost
        self.load = 0
        """Number of generations that have begun and have not ended."""
        self._numbers = itertools.count(1)
        self._news: dict[int, asyncio.Queue[News]] = {}
        self._over: dict[int, Over] = {}
        self._replies: dict[int, asyncio.Future[bytes]] = {}
        self._process: BaseProcess | None = None
        self._wire: FrameProtocol | None = None
        self._closing = False

    @property
    def alive(self) -> bool:
        """Whether it can be called: it has neither ended nor been closed."""
        return not self._closing

    @property
    def pid(self) -> int | None:
        """Id of the process."""
        return self._process.pid if self._process is not None else None

    async def start(self, settings: PolicySettings, folder: str) -> EngineFacts:
        """Start the process, and wait until its engine accepts work. Raises the error with which the engine refused
        the base.
        """
        ours, theirs = socket.socketpair()
        process = forking().Process(target=_child, args=(settings, folder, theirs), name=f"engine-{self.number}")
        process.daemon = True
        ready = self._replies[0] = asyncio.get_running_loop().create_future()
        await asyncio.to_thread(process.start)
        theirs.close()
        self._process = process
        _, self._wire = await asyncio.get_running_loop().create_unix_connection(
            lambda: FrameProtocol(self._received, self._gone), sock=ours
        )
        return FACTS.validate_json(await ready)

    async def close(self) -> None:
        """End the process."""
        self._closing = True
        if self._wire is not None:
            self._wire.transport.close()
        if self._process is not None:
            await asyncio.to_thread(self._end, self._process)

    async def call(self, code: int, version: NamedVersion) -> None:
        """Let the process load, drop or check a version. Raises the error with which this failed."""
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._send(number, code, VERSION.dump_json(version))
        try:
            await reply
        finally:
            self._replies.pop(number, None)

    async def generate(self, asked: Asked, over: Over) -> Generated:
        """Generate a completion. Raises the error with which the engine failed.

        `over` is called once, when the generation has ended in the engine.
        """
        number = next(self._numbers)
        reply = self._replies[number] = asyncio.get_running_loop().create_future()
        self._begin(number, asked, over)
        try:
            return GENERATED.validate_json(await reply)
        finally:
            del self._replies[number]
            self._cancel(number, ended=reply.done() and not reply.cancelled())

    async def stream(self, asked: Asked, over: Over) -> AsyncGenerator[Delta | Generated, None]:
        """Like `generate`, but yields deltas and then the finished completion."""
        number = next(self._numbers)
        news = self._news[number] = asyncio.Queue()
        self._begin(number, asked, over)
        ended = False
        try:
            while not ended:
                item = await news.get()
                ended = not isinstance(item, Delta)
                if isinstance(item, A3TError):
                    raise item
                yield item
        finally:
            del self._news[number]
            self._cancel(number, ended=ended)

    def _begin(self, number: int, asked: Asked, over: Over) -> None:
        self._over[number] = over
        self.load += 1
        self._send(number, GENERATE, ASKED.dump_json(asked))

    def _cancel(self, number: int, *, ended: bool) -> None:
        """Cancel a generation in the engine, unless it has ended."""
        if not ended and number in self._over:
            self._send(number, CANCEL, b"")

    def _send(self, number: int, code: int, body: bytes) -> None:
        if self._wire is None or self._wire.transport.is_closing():
            self._gone()  # ends the calls that were just made
            return
        self._wire.send(number, code, body)

    def _received(self, _: FrameProtocol, number: int, code: int, body: bytes) -> None:
        if code == OVER:
            self._ended(number, USAGE.validate_json(body) if body else None)
        elif (reply := self._replies.get(number)) is not None:
            if reply.done():
                return
            if code == FAILED:
                reply.set_exception(_error(body))
            else:
                reply.set_result(body)
        elif (news := self._news.get(number)) is not None:
            if code == DELTA:
                news.put_nowait(DELTAS.validate_json(body))
            elif code == DONE:
                news.put_nowait(GENERATED.validate_json(body))
            else:
                news.put_nowait(_error(body))

    def _ended(self, number: int, usage: Usage | None) -> None:
        over = self._over.pop(number, None)
        if over is not None:
            self.load -= 1
            over(usage)

    def _gone(self) -> None:
        """Handle the end of the process: every waiting call gets an error."""
        gone = UnavailableError(
            "The engine process that computed this has ended; another is being started.", hint="Try again."
        )
        for reply in self._replies.values():
            if not reply.done():
                reply.set_exception(gone)
        for news in self._news.values():
            news.put_nowait(gone)
        for number in list(self._over):
            self._ended(number, None)
        if not self._closing:
            self._closing = True
            self._lost(self)

    @staticmethod
    def _end(process: BaseProcess) -> None:
        process.join(_END_SECONDS)
        if process.is_alive():
            process.kill()
            process.join(_END_SECONDS)


def _child(settings: PolicySettings, folder: str, channel: socket.socket) -> None:
    """The main function of the process. Only it imports torch."""
    from .child import run_child

    run_child(settings, folder, channel)


def _error(body: bytes) -> A3TError:
    return error_from_problem(Problem.model_validate_json(body))
