"""The calls between processes: frames (`a3t_contracts.wire`) with JSON bodies on a Unix socket.

The code of a request names the call; that of a reply is 0 for a result and 1 for a problem document.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

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
]

ResultT = TypeVar("ResultT")
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
