"""Limits time and number of HTTP connections. uvicorn alone waits for ever for the rest of a request that began to
arrive, and takes any number of connections from one client."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

from starlette.types import Receive, Scope, Send
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from ..errors import PROBLEM_JSON, A3TError, OverloadedError, RequestTimeoutError, TooLargeError
from ..settings import ServiceSettings
from .joined_writes import JoinedWrites

__all__ = ["MAX_HEADER_BYTES", "BoundedProtocol", "ConnectionLimits"]

MAX_HEADER_BYTES = 64 * 1024
"""Largest size in bytes of request line and headers together."""
_LEAST_RATE = 500
"""Bytes per second at which the body of a request must arrive on average, after the first `seconds`."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """Limits for one client.

    Args:
        seconds: time in which a request's header must arrive; the body has this time plus a second for every 500 bytes.
            A client that reads nothing of a reply for this time is cut off.
        connections: largest number of open connections from one address.
    """

    seconds: float = 30.0
    connections: int = 4096

    @classmethod
    def of(cls, settings: ServiceSettings) -> ConnectionLimits:
        """Return the limits in the settings."""
        return cls(settings.client_seconds, settings.client_connections)


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol with limits: it cuts off clients that are too slow, send too long a header, or open too
    many connections.

    A request that arrives in one piece needs no timer.
    """

    def __init__(self, *args: Any, limits: ConnectionLimits, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits = limits
        self._by_client: Counter[str] = vars(self.server_state).setdefault("by_client", Counter())
        self._counted: str | None = None
        self._begun = self._in_body = False
        self._bytes = self._piece = 0
        self._since = 0.0
        self._incoming: asyncio.TimerHandle | None = None
        self._outgoing: asyncio.TimerHandle | None = None

    @override
    def connection_made(self, transport: Any) -> None:
        """Count the connection, or refuse it."""
        self._joined = JoinedWrites(transport, self.loop)
        super().connection_made(cast("asyncio.Transport", self._joined))
        self._counted = self.client[0] if self.client else ""
        self._by_client[self._counted] += 1
        if self._surplus():
            self._refuse(
                OverloadedError(
                    f"{self._counted} has {self._limits.connections} connections open, which is the most allowed.",
                    hint="Reuse connections, or raise A3T_CLIENT_CONNECTIONS.",
                )
            )
            return
        self._watch()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timers and count the connection no longer."""
        self._release()
        super().connection_lost(exc)

    @override
    def data_received(self, data: bytes) -> None:
        """Feed the parser, and start the timer for the part of the request that is still missing."""
        if self.transport.is_closing():
            return
        self._piece = len(data)
        self._bytes += self._piece
        super().data_received(data)
        if self._begun and not self._in_body and self._bytes > MAX_HEADER_BYTES:
            self._refuse(_header_too_long())
        elif not self.transport.is_closing():
            self._watch()

    @override
    def on_message_begin(self) -> None:
        self._begun, self._in_body, self._bytes = True, False, 0
        super().on_message_begin()

    @override
    def on_headers_complete(self) -> None:
        most, self._bytes, self._in_body = self._bytes + self._piece, 0, True
        if most <= MAX_HEADER_BYTES or self._header_bytes() <= MAX_HEADER_BYTES:
            super().on_headers_complete()
            return
        app, self.app = self.app, _too_long
        super().on_headers_complete()
        self.app = app

    @override
    def on_message_complete(self) -> None:
        self._begun = False
        super().on_message_complete()

    @override
    def pause_writing(self) -> None:
        """Start the timer for a client that does not read the reply."""
        super().pause_writing()
        if self._outgoing is None:
            self._outgoing = self.loop.call_later(self._limits.seconds, self._hang_up)

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._outgoing is not None:
            self._outgoing.cancel()
            self._outgoing = None

    @override
    def handle_websocket_upgrade(self) -> None:
        """Hand the connection to the WebSocket protocol. It stays counted until it ends."""
        self._stop_timers()
        self.transport = self._joined.inner()
        super().handle_websocket_upgrade()
        taken: Any = self.transport.get_protocol()
        lost: Callable[[Exception | None], None] = taken.connection_lost

        def connection_lost(error: Exception | None) -> None:
            self._release()
            lost(error)

        taken.connection_lost = connection_lost

    def _header_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _surplus(self) -> bool:
        """Whether this connection is over the limit of its client."""
        return self.cycle is None and bool(self._counted) and self._by_client[self._counted] > self._limits.connections

    def _waits(self) -> bool:
        """Whether it is the client's turn to send: it has begun a request, or has sent bytes that are not a request."""
        idle = self.cycle is None or self.cycle.response_complete
        return self._begun or (idle and self.timeout_keep_alive_task is None)

    def _watch(self) -> None:
        if not self._waits():
            if self._incoming is not None:
                self._incoming.cancel()
                self._incoming = None
        elif self._incoming is None:
            self._since = self.loop.time()
            self._incoming = self.loop.call_later(self._limits.seconds, self._check)

    def _check(self) -> None:
        self._incoming = None
        if self.transport.is_closing() or not self._waits():
            return
        now = self.loop.time()
        if self.flow.read_paused:  # the service, not the client, is slow
            self._since, self._bytes = now, 0
        left = self._since + self._limits.seconds + (self._bytes / _LEAST_RATE if self._in_body else 0.0) - now
        if left > 0:
            self._incoming = self.loop.call_later(left, self._check)
            return
        what = "body" if self._in_body and self._begun else "header"
        self._refuse(
            RequestTimeoutError(
                f"The {what} of the request did not arrive within the time limit.",
                hint="Send it faster, or raise A3T_CLIENT_SECONDS.",
            )
        )

    def _refuse(self, error: A3TError) -> None:
        """Send the error, where no reply has begun, and close the connection."""
        if self._owes_a_reply():
            self.transport.write(_reply(error))
        if self.cycle is not None:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self._stop_timers()
        self.transport.close()

    def _hang_up(self) -> None:
        """Close the connection at once and discard what the kernel has not sent yet."""
        opened: socket.socket | None = self.transport.get_extra_info("socket")
        if opened is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _owes_a_reply(self) -> bool:
        """Whether the client would take what is written now as the reply to its request."""
        if self._begun:
            return not self._in_body or not self.cycle.response_started
        return self._surplus()

    def _release(self) -> None:
        self._stop_timers()
        if self._counted is not None:
            self._by_client[self._counted] -= 1
            if not self._by_client[self._counted]:
                del self._by_client[self._counted]
            self._counted = None

    def _stop_timers(self) -> None:
        for timer in (self._incoming, self._outgoing):
            if timer is not None:
                timer.cancel()
        self._incoming = self._outgoing = None


def _header_too_long() -> A3TError:
    return TooLargeError(f"The request's header is over the limit of {MAX_HEADER_BYTES} bytes.", hint="Send less.")


async def _too_long(scope: Scope, receive: Receive, send: Send) -> None:
    body = _header_too_long().problem().model_dump_json(exclude_none=True).encode()
    headers = [(b"content-type", PROBLEM_JSON.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 413, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})


def _reply(error: A3TError) -> bytes:
    """The bytes of a whole HTTP reply, for a request that never reaches the app."""
    problem = error.problem()
    body = problem.model_dump_json(exclude_none=True).encode()
    retry = f"retry-after: {max(1, round(error.retry_after))}\r\n" if isinstance(error, OverloadedError) else ""
    head = (
        f"HTTP/1.1 {problem.status} {problem.title}\r\ncontent-type: {PROBLEM_JSON}\r\n"
        f"content-length: {len(body)}\r\n{retry}connection: close\r\n\r\n"
    )
    return head.encode() + body
