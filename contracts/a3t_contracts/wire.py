"""Length-prefixed frames on a stream between the processes of one service. One connection carries many calls at a time.

A frame is a head (length of the body, number of the call, code) and a body. The service defines the codes and the form
of the bodies.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from typing import cast

from typing_extensions import override

__all__ = ["FrameProtocol"]

_HEAD = struct.Struct("!IQB")


class FrameProtocol(asyncio.Protocol):
    """Splits the stream into frames. `received(number, code, body)` is called for each, `lost()` at the end of the
    connection."""

    def __init__(self, received: Callable[[FrameProtocol, int, int, bytes], None], lost: Callable[[], None]) -> None:
        self._received = received
        self._lost = lost
        self._buffer = bytearray()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def send(self, number: int, code: int, body: bytes) -> None:
        """Write one frame. It is dropped if the connection is closed."""
        if not self.transport.is_closing():
            self.transport.write(_HEAD.pack(len(body), number, code) + body)

    @override
    def data_received(self, data: bytes) -> None:
        self._buffer += data
        at = 0
        while len(self._buffer) - at >= _HEAD.size:
            length, number, code = _HEAD.unpack_from(self._buffer, at)
            end = at + _HEAD.size + length
            if len(self._buffer) < end:
                break
            self._received(self, number, code, bytes(self._buffer[at + _HEAD.size : end]))
            at = end
        del self._buffer[:at]

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._lost()
