"""Sends head and body of a reply in one system call. uvicorn writes them separately, and sending is the most expensive
part of a short request."""

from __future__ import annotations

import asyncio
from typing import Any

__all__ = ["JoinedWrites"]

_HEAD = b"HTTP/1.1 "


class JoinedWrites:
    """A transport that holds the head of a reply back until the next write, or until the event loop's next iteration.

    Everything else is passed on unchanged, in the order in which it was written.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop = transport, loop
        self._write = transport.write
        self._held = b""
        self._timer: asyncio.Handle | None = None
        self.is_closing = transport.is_closing

    def write(self, data: bytes) -> None:
        """Send data, together with a head that is held back."""
        if self._held:
            self._write(self._taken() + data)
        elif data.startswith(_HEAD):
            self._held = data
            self._timer = self._loop.call_soon(self._flush)
        else:
            self._write(data)

    def close(self) -> None:
        """Close the connection after everything that was written has been sent."""
        self._flush()
        self._transport.close()

    def inner(self) -> asyncio.Transport:
        """Send what is held back and return the wrapped transport, for a protocol that takes the connection over."""
        self._flush()
        return self._transport

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def _flush(self) -> None:
        if self._held:
            self._write(self._taken())

    def _taken(self) -> bytes:
        held, self._held = self._held, b""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        return held
