"""The messages on OpenEnv's socket."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from a3t_contracts.errors import A3TError, OverloadedError
from a3t_contracts.schemas import SessionInfo
from a3t_contracts.schemas.base import MAX_INT, MAX_SEED, Name
from a3t_contracts.service import INLINE_BYTES

__all__ = [
    "Close",
    "MessageError",
    "Observation",
    "Reset",
    "ResetData",
    "State",
    "Step",
    "TextAction",
    "answer",
    "error",
    "read",
    "state",
]


class MessageError(Exception):
    """A message that the protocol does not have; `code` is one of OpenEnv's error codes."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class TextAction(BaseModel):
    """An action."""

    model_config = ConfigDict(extra="forbid")
    action: str = Field(max_length=4096, description="Action in the words of the environment")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Not read")


class Observation(BaseModel):
    """What the agent sees, and the state of the episode. The message has the reward and `done` beside it."""

    text: str = Field(description="The observation")
    actions: list[str] | None = Field(None, description="Admissible actions; null where the environment lists none")
    success: bool = Field(False, description="Whether the task is solved")
    valid: bool = Field(True, description="False where the environment did not understand or allow the action")


class State(BaseModel):
    """The episode of a connection. Before the first reset, every field is null or 0."""

    episode_id: str | None = Field(None, description="Id of the session")
    step_count: int = Field(0, description="Number of steps so far")
    environment: str | None = Field(None, description="The environment")
    task_id: str | None = Field(None, description="Id of the task")
    split: str | None = Field(None, description="Split of the task")

    @classmethod
    def of(cls, info: SessionInfo) -> State:
        """The state of a session."""
        task = info.task
        return cls(
            episode_id=info.id,
            step_count=info.steps,
            environment=task.environment,
            task_id=task.id,
            split=task.split,
        )


class ResetData(BaseModel):
    """Which task to begin: `task_id`, or `index` (its number in the split), or `seed` (draws one); else a
    random task.
    """

    seed: int | None = Field(None, ge=0, le=MAX_SEED, description="Seed; also draws the task if none is named")
    task_id: str | None = Field(None, description="Id of the task")
    split: Name | None = Field(None, description="Split; default: the split in the URL, or all")
    index: int | None = Field(None, ge=0, le=MAX_INT, description="Number of the task in the split, from 0")
    options: dict[str, str] = Field(default_factory=dict, max_length=16, description="Options of the environment")


class Reset(BaseModel):
    """Message of a client: start an episode."""

    type: Literal["reset"]
    data: ResetData = Field(default_factory=ResetData)


class Step(BaseModel):
    """Message of a client: carry out one action."""

    type: Literal["step"]
    data: TextAction


class AskState(BaseModel):
    """Message of a client: report the state of the episode."""

    type: Literal["state"]


class Close(BaseModel):
    """Message of a client: end the episode and the connection."""

    type: Literal["close"]


Incoming = Reset | Step | AskState | Close
_INCOMING: TypeAdapter[Incoming] = TypeAdapter(Annotated[Incoming, Field(discriminator="type")])


def read(message: str | bytes) -> Incoming:
    """Parse a client's message. Raises MessageError."""
    if len(message) > INLINE_BYTES:
        raise MessageError("VALIDATION_ERROR", f"The message is over the limit of {INLINE_BYTES} bytes.")
    try:
        given = orjson.loads(message)
    except orjson.JSONDecodeError as fault:
        raise MessageError("INVALID_JSON", f"The message is not JSON: {fault}.") from fault
    try:
        return _INCOMING.validate_python(given)
    except ValidationError as fault:
        first = fault.errors(include_url=False, include_context=False)[0]
        unknown = first["type"].startswith("union_tag")
        where = ".".join(map(str, first["loc"])) or "the message"
        raise MessageError("UNKNOWN_TYPE" if unknown else "VALIDATION_ERROR", f"{where}: {first['msg']}.") from fault


def answer(seen: Observation, reward: float | None, done: bool) -> str:
    """The reply to a reset, which has no reward (None), or to a step."""
    return _sent("observation", {"observation": seen.model_dump(), "reward": reward, "done": done})


def state(shown: State) -> str:
    """The reply to a question for the state."""
    return _sent("state", shown.model_dump())


def error(fault: MessageError | A3TError) -> str:
    """The reply to a message that could not be carried out."""
    code = "CAPACITY_REACHED" if isinstance(fault, OverloadedError) else "EXECUTION_ERROR"
    return _sent("error", {"message": str(fault), "code": fault.code if isinstance(fault, MessageError) else code})


def _sent(kind: str, data: dict[str, Any]) -> str:
    return orjson.dumps({"type": kind, "data": data}).decode()
