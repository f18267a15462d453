"""Chat messages in all forms that clients send, including replies of this service."""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from a3t_contracts.schemas.base import MAX_INT

from .neutral import ClientSchema, Unserved

__all__ = ["CalledFunction", "ChatMessage", "ToolCall"]


class CalledFunction(ClientSchema):
    """The function that the model called, with its arguments."""

    name: str = Field(min_length=1, max_length=256, description="Name of the function")
    arguments: str | dict[str, Any] = Field(
        "{}", description="The arguments: a JSON object, or its text as in OpenAI's API"
    )
    description: str | None = Field(None, description="Accepted and ignored")

    @model_validator(mode="after")
    def _an_object(self) -> Self:
        if not isinstance(self.values_or_none(), dict):
            raise ValueError("tool_calls: arguments must be a JSON object, or its text")
        return self

    def values_or_none(self) -> Any:
        """The arguments as a JSON value; None if their text is not JSON."""
        if isinstance(self.arguments, dict):
            return self.arguments
        try:
            return json.loads(self.arguments or "{}")
        except (ValueError, RecursionError):
            return None


class ToolCall(ClientSchema):
    """A tool call of an earlier reply."""

    id: str | None = Field(
        None, description="Id of the call, to which the message with its result refers; null if it has none"
    )
    type: Literal["function"] = Field("function", description="Type of the tool; only functions exist")
    function: CalledFunction = Field(description="The function that was called, with its arguments")
    index: int | None = Field(None, ge=0, le=MAX_INT, description="Position of the call in a streamed reply; ignored")


class ChatMessage(ClientSchema):
    """One message of a conversation in OpenAI's form."""

    role: Literal["system", "developer", "user", "assistant", "tool"] = Field(
        description="Who wrote the message. `developer` counts as `system`"
    )
    content: str | Annotated[list[dict[str, Any]], Field(max_length=4096, fail_fast=True)] | None = Field(
        None, description="Text, or a list of parts of type text"
    )
    name: str | None = Field(None, description="Name of the author; ignored unless the chat template shows it")
    tool_calls: list[ToolCall] | None = Field(None, max_length=128, description="Calls in an assistant's message")
    tool_call_id: str | None = Field(None, description="Id of the call that a message of role `tool` answers")

    unserved: ClassVar[dict[str, Unserved]] = {
        "function_call": Unserved(hint="Send tool_calls, which replaced it."),
        "audio": Unserved(hint="The base model reads only text: leave it out."),
        "refusal": Unserved(hint="Send its text as content."),
        "annotations": Unserved(),
        "reasoning": Unserved(hint="Leave it out, or send its text as content."),
        "reasoning_content": Unserved(hint="Leave it out, or send its text as content."),
    }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.tool_calls and self.role != "assistant":
            raise ValueError("tool_calls: only a message of the assistant may have them")
        if isinstance(self.content, list):
            for part in self.content:
                _check_part(part)
        return self

    @property
    def text(self) -> str:
        """The content as one string."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        return "".join(part["text"] for part in self.content)

    def row(self) -> dict[str, Any]:
        """The message in the form of chat templates, which take arguments as values, not text."""
        row: dict[str, Any] = {"role": "system" if self.role == "developer" else self.role, "content": self.text}
        if self.tool_calls:
            row["tool_calls"] = [
                {
                    "id": call.id or "",
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.values_or_none()},
                }
                for call in self.tool_calls
            ]
        given = {"name": self.name, "tool_call_id": self.tool_call_id if self.role == "tool" else None}
        return row | {key: value for key, value in given.items() if value}


def _check_part(part: dict[str, Any]) -> None:
    """Raises ValueError for a part of a content that is not text."""
    kind = part.get("type")
    if kind != "text":
        raise ValueError(f"content: only parts of type text are supported, not {str(kind)[:60]!r}")
    if not isinstance(part.get("text"), str):
        raise ValueError("content: a part of type text must have its text under `text`")
    for name, value in part.items():
        if name not in ("type", "text", "cache_control", "prompt_cache_breakpoint") and value not in (None, "", [], {}):
            raise ValueError(f"content: {name[:60]!r} of a text part is not supported. Leave it out")
