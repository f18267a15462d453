"""A connection pool whose cost per request does not grow with the number of connections.

httpx's own pool compares every idle connection with every other one, and asks the kernel about each, whenever a request
begins or ends; with 64 connections this takes most of the time of a call. Here each connection is a separate transport,
and idle ones are kept on a stack.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from typing_extensions import override

__all__ = ["ConnectionStack", "transport_for"]


class ConnectionStack(httpx.AsyncBaseTransport):
    """A transport with at most `most` open connections.

    A request takes the idle connection that was used last, so that connections that are not needed stay idle and are
    closed.

    Args:
        most: largest number of open connections; further requests wait for at most their pool timeout.
        keep_seconds: seconds after which an idle connection is closed; 5 by default, as in httpx.
    """

    def __init__(self, most: int, keep_seconds: float = 5.0) -> None:
        self._keep_seconds = keep_seconds
        self._limits = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=keep_seconds)
        self._tls = httpx.create_ssl_context()
        self._places = asyncio.Semaphore(most)
        self._idle: deque[tuple[float, httpx.AsyncHTTPTransport]] = deque()
        self._closed = False

    @property
    def idle(self) -> int:
        """Number of open connections that no request uses."""
        return len(self._idle)

    @override
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await self._take_place(request)
        connection = self._idle.pop()[1] if self._idle else self._new()
        try:
            response = await connection.handle_async_request(request)
        except BaseException:
            await self._give_back(connection)
            raise
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101  for the type checker
        response.stream = _Body(response.stream, lambda: self._give_back(connection))
        return response

    @override
    async def aclose(self) -> None:
        self._closed = True
        await self._close_idle(time.monotonic())

    async def _take_place(self, request: httpx.Request) -> None:
        try:
            async with asyncio.timeout(request.extensions.get("timeout", {}).get("pool")):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("no connection became free in time", request=request) from error

    def _new(self) -> httpx.AsyncHTTPTransport:
        return httpx.AsyncHTTPTransport(verify=self._tls, limits=self._limits)

    async def _give_back(self, connection: httpx.AsyncHTTPTransport) -> None:
        """Put a connection back on the stack. One that failed has closed itself and opens again with its next
        request."""
        now = time.monotonic()
        self._idle.append((now, connection))
        self._places.release()
        await self._close_idle(now if self._closed else now - self._keep_seconds)

    async def _close_idle(self, unused_since: float) -> None:
        while self._idle and self._idle[0][0] <= unused_since:
            await self._idle.popleft()[1].aclose()


class _Body(httpx.AsyncByteStream):
    """The body of a reply, which gives its connection back when it is closed."""

    def __init__(self, stream: httpx.AsyncByteStream, release: Callable[[], Awaitable[None]]) -> None:
        self._stream, self._release = stream, release
        self._open = True

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._stream.__aiter__()

    async def aclose(self) -> None:
        if self._open:
            self._open = False
            try:
                await self._stream.aclose()
            finally:
                await self._release()


def transport_for(base_url: str, connections: int) -> ConnectionStack | None:
    """Return the transport for calls to `base_url`. None, which leaves the choice to httpx, where HTTP_PROXY or a
    similar variable names a proxy."""
    url, proxies = urlsplit(base_url), getproxies()
    proxied = proxies.keys() & {url.scheme, "all"} and not proxy_bypass(url.hostname or "")
    return None if proxied else ConnectionStack(connections)
