"""The protocol between processes: length-prefixed frames on a Unix socket, many calls at a time on one connection.

A frame is (length of the body, number of the call, code) and a JSON body. The code of a request names the call; that of
a reply is 0 for a result and 1 for a problem document.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from pydantic import TypeAdapter
from typing_extensions import override

from a3t_contracts.errors import Problem
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionInfo, SessionStep, StepResult

from ..sessions.interface import StepOutcome

__all__ = [
    "ACTIONS",
    "CALLS",
    "CLOSE",
    "CREATE",
    "EXPERT",
    "FAILED",
    "INFO",
    "OK",
    "RESTART",
    "SAMPLE",
    "STEP",
    "STEP_MANY",
    "Call",
    "FrameProtocol",
]

ResultT = TypeVar("ResultT")
_HEAD = struct.Struct("!IQB")
OK, FAILED = 0, 1


@dataclass(frozen=True, slots=True)
class Call(Generic[ResultT]):
    """A method of `Sessions`: its code, and the JSON form of its arguments and result."""

    name: str
    code: int
    arguments: TypeAdapter[Any]
    result: TypeAdapter[ResultT]


CREATE = Call("create", 0, TypeAdapter(tuple[SessionCreate]), TypeAdapter(SessionInfo))
INFO = Call("info", 1, TypeAdapter(tuple[str, bool]), TypeAdapter(SessionInfo))
ACTIONS = Call("actions", 2, TypeAdapter(tuple[str]), TypeAdapter(list[str]))
SAMPLE = Call("sample", 3, TypeAdapter(tuple[str, SampleRequest]), TypeAdapter(str))
EXPERT = Call("expert", 4, TypeAdapter(tuple[str]), TypeAdapter(str))
STEP = Call("step", 5, TypeAdapter(tuple[str, str, int | None, bool]), TypeAdapter(StepResult))
STEP_MANY: Call[list[StepOutcome]] = Call(
    "step_many", 6, TypeAdapter(tuple[list[SessionStep], bool]), TypeAdapter(list[StepResult | Problem])
)
CLOSE = Call("close", 7, TypeAdapter(tuple[str]), TypeAdapter(None))
RESTART = Call("restart", 8, TypeAdapter(tuple[str, SessionCreate]), TypeAdapter(SessionInfo))
CALLS: dict[int, Call[Any]] = {
    call.code: call for call in (CREATE, INFO, ACTIONS, SAMPLE, EXPERT, STEP, STEP_MANY, CLOSE, RESTART)
}


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
