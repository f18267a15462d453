"""An engine process: loads the base, and answers the service's calls on a socket until the socket is closed.

All engine processes are forked from one process, which imports this module first, so that they share the memory of
what it imports.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import socket
from collections.abc import Awaitable
from pathlib import Path

from a3t_contracts.errors import A3TError
from a3t_contracts.logging import configure_logging, get_logger
from a3t_contracts.wire import FrameProtocol

from ..engine.build import LocalModel, build
from ..engine.host import EngineHost
from ..engine.sequence import Sequence, Ticket
from ..generation import Delta, Generated
from ..settings import PolicySettings
from ..text import TextCodec
from .calls import (
    ASKED,
    CANCEL,
    CHECK,
    DELTA,
    DELTAS,
    DONE,
    DROP,
    FACTS,
    FAILED,
    GENERATE,
    GENERATED,
    OVER,
    PUT,
    USAGE,
    VERSION,
    EngineFacts,
    NamedVersion,
)

__all__ = ["run_child"]

log = get_logger(__name__)

_GRACE_SECONDS = 15
"""Most seconds that a process runs after SIGTERM: longer than the service takes to finish its requests."""


def run_child(settings: PolicySettings, folder: str, channel: socket.socket) -> None:
    """Serve one engine until the service closes its end of `channel`, or ends."""
    gc.freeze()  # keeps the memory of what was imported before the fork shared
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the service finishes its requests, then closes the channel
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(_GRACE_SECONDS))
    configure_logging("policy-engine", settings.log_level, settings.log_json)
    asyncio.run(_serve(settings, folder, channel))
    os._exit(0)  # there is nothing to save, and the engine's thread may be in the middle of a step


async def _serve(settings: PolicySettings, folder: str, channel: socket.socket) -> None:
    server = _Server()
    await asyncio.get_running_loop().create_unix_connection(server.protocol, sock=channel)
    try:
        codec = TextCodec.load(folder)
        model = await asyncio.to_thread(build, settings, folder, codec)
    except Exception as error:
        log.exception("engine.not_built")
        server.refuse(error if isinstance(error, A3TError) else A3TError(f"The engine cannot be built: {error}"))
        await server.gone.wait()
        return
    server.begin(model)
    await server.gone.wait()


class _Server:
    """Answers calls with the engine of this process."""

    def __init__(self) -> None:
        self.gone = asyncio.Event()
        self._wire: FrameProtocol
        self._host: EngineHost
        self._running: dict[int, Sequence] = {}
        self._numbers: dict[Sequence, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def protocol(self) -> FrameProtocol:
        self._wire = FrameProtocol(self._received, self.gone.set)
        return self._wire

    def begin(self, model: LocalModel) -> None:
        """Start the engine, and report that it accepts work."""
        self._host = EngineHost(model)
        model.engine.on_over = self._over
        model.engine.start()
        facts = EngineFacts(
            context=model.engine.pool.context,
            fingerprint=model.facts.fingerprint,
            modules=dict(model.facts.modules or {}),
            log={name: str(value) for name, value in model.facts_to_log.items()},
        )
        self._wire.send(0, DONE, FACTS.dump_json(facts))

    def refuse(self, error: A3TError) -> None:
        """Report why this process will never accept work."""
        self._wire.send(0, FAILED, _problem(error))

    def _received(self, _: FrameProtocol, number: int, code: int, body: bytes) -> None:
        if code == CANCEL:
            sequence = self._running.get(number)
            if sequence is not None:
                sequence.ticket.cancelled = True
            return
        if code == GENERATE:
            self._generate(number, body)  # at once, because a cancellation may be the next message
            return
        version = VERSION.validate_json(body)
        self._go(self._answer(number, self._change(code, version)))

    def _go(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _change(self, code: int, version: NamedVersion) -> None:
        if code == PUT:
            await self._host.put(version.number, Path(version.folder))
        elif code == DROP:
            await self._host.drop(version.number)
        elif code == CHECK:
            await self._host.check(version.number, version.name)

    async def _answer(self, number: int, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:
            self._wire.send(number, FAILED, _problem(_typed(error)))
        else:
            self._wire.send(number, DONE, b"")

    def _generate(self, number: int, body: bytes) -> None:
        try:
            asked = ASKED.validate_json(body)
            sequence, ticket = self._host.model.engine.submit(
                asked.generation, asked.version, asked.name, asked.streaming
            )
        except Exception as error:
            self._wire.send(number, FAILED, _problem(_typed(error)))
            self._wire.send(number, OVER, b"")
            return
        self._running[number], self._numbers[sequence] = sequence, number
        self._go(self._pass_on(number, ticket))

    async def _pass_on(self, number: int, ticket: Ticket) -> None:
        """Pass the engine's news about a sequence on to the service, up to its end."""
        while True:
            news = await ticket.news.get()
            if isinstance(news, Delta):
                self._wire.send(number, DELTA, DELTAS.dump_json(news))
            elif isinstance(news, Generated):
                self._wire.send(number, DONE, GENERATED.dump_json(news))
                return
            else:
                self._wire.send(number, FAILED, _problem(news))
                return

    def _over(self, sequence: Sequence) -> None:
        number = self._numbers.pop(sequence)
        del self._running[number]
        self._wire.send(number, OVER, USAGE.dump_json(sequence.usage()))


def _typed(error: Exception) -> A3TError:
    if isinstance(error, A3TError):
        return error
    log.error("call.failed", exc_info=error)
    return A3TError("An engine process failed in this call; the service's log has the reason.")


def _problem(error: A3TError) -> bytes:
    return error.problem().model_dump_json().encode()
