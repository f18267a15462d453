"""Reads the content of messages of other projects' agents: text, reasoning and tool calls, in one string or in
parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from a3t_contracts.errors import InvalidInputError

__all__ = ["Said", "call_of", "call_text", "json_object", "json_value", "kind_of", "plain_text", "said"]

_CALL_PARTS = {"tool_use", "tool_call", "function_call"}
_ARGUMENTS = ("arguments", "input", "args", "parameters")


@dataclass(slots=True)
class Said:
    """A turn of an agent: its text, its reasoning, and the actions of its tool calls."""

    text: str = ""
    thought: str | None = None
    calls: list[str] = field(default_factory=list)

    def add_calls(self, calls: Any, where: str) -> None:
        """Add a list of tool calls; None adds none. Raises InvalidInputError for anything else."""
        if not calls:
            return
        if not isinstance(calls, list):
            raise InvalidInputError(f"{where}: a list was expected, not {kind_of(calls)}")
        self.calls += [call_of(call, where) for call in calls]

    def read_call(self, where: str) -> None:
        """Turn the text into a tool call, if it is a tool call in JSON."""
        call = json_object(self.text)
        if call is not None and isinstance(call.get("name"), str):
            self.calls.append(call_of(call, where))
            self.text = ""

    def turn(self) -> str:
        """Return the text of the turn; with tool calls, the action that they form."""
        return f"Action: {'; '.join(self.calls)}" if self.calls else self.text

    def reason(self) -> str | None:
        """Return the reasoning that belongs to `turn`; None if there is none."""
        return self.thought or (self.text.strip() or None if self.calls else None)


def said(content: Any, where: str) -> Said:
    """Read the content of an agent's message, a string or a list of parts. Raises InvalidInputError for a part that
    cannot be read."""
    told = Said()
    if isinstance(content, list):
        _read_parts(content, told, where)
    else:
        told.text = plain_text(content, where)
    return told


def plain_text(value: Any, where: str) -> str:
    """Return the text of a content: a string, or a list of text parts. Raises InvalidInputError for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(_part(part, where) for part in value)
    raise InvalidInputError(f"{where}: text was expected, not {kind_of(value)}")


def call_text(name: Any, arguments: Any, where: str) -> str:
    """Return a tool call as an action: the text of its only argument, else `name(arguments as JSON)`."""
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return arguments or str(name)
    if not isinstance(name, str) or not isinstance(arguments, Mapping | None):
        raise InvalidInputError(f"{where}: a tool call needs a name and an object of arguments")
    values = list((arguments or {}).values())
    if len(values) == 1 and isinstance(values[0], str):
        return values[0]
    return f"{name}({json.dumps(arguments, ensure_ascii=False) if arguments else ''})"


def call_of(call: Any, where: str) -> str:
    """Return a tool call in the form of OpenAI, Anthropic or Gemini as an action."""
    if not isinstance(call, dict) or not isinstance(function := call.get("function", call), dict):
        raise InvalidInputError(f"{where}: an object was expected, not {kind_of(call)}")
    arguments = next((function[key] for key in _ARGUMENTS if function.get(key) is not None), None)
    return call_text(function.get("name"), arguments, where)


def kind_of(value: Any) -> str:
    """Return what a JSON value is, in words."""
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")


def json_value(text: str | bytes) -> Any:
    """Parse a text as JSON; None if it is not JSON."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def json_object(text: str) -> dict[str, Any] | None:
    """Parse a text as a JSON object; None if it is not one."""
    value = json_value(text)
    return value if isinstance(value, dict) else None


def _read_parts(parts: list[Any], told: Said, where: str) -> None:
    texts = []
    for part in parts:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in _CALL_PARTS or (isinstance(part, dict) and "functionCall" in part):
            told.add_calls([part.get("functionCall", part)], where)
        elif kind in ("thinking", "reasoning") or (isinstance(part, dict) and part.get("thought") is True):
            thought = part.get("thinking", part.get("reasoning", part.get("text")))
            told.thought = thought if isinstance(thought, str) and thought.strip() else told.thought
        elif kind != "redacted_thinking":
            texts.append(_part(part, where))
    told.text = "\n".join(texts)


def _part(part: Any, where: str) -> str:
    """Return the text of a part. The text of a tool result is the output of the tool."""
    if isinstance(part, str):
        return part
    if isinstance(part, dict):
        if isinstance(part.get("text"), str):
            return str(part["text"])
        if part.get("type") == "tool_result":
            return plain_text(part.get("content"), where)
        if isinstance(answer := part.get("functionResponse"), dict):
            given = answer.get("response")
            one = list(given.values()) if isinstance(given, dict) else [given]
            return one[0] if len(one) == 1 and isinstance(one[0], str) else json.dumps(given, ensure_ascii=False)
    kind = part.get("type") if isinstance(part, dict) else kind_of(part)
    raise InvalidInputError(f"{where}: a part of the type {str(kind)[:40]!r}; only text can be read")
