"""Reads lists of messages that others wrote: OpenAI's and ShareGPT's names, parts, tool calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from a3t_contracts.errors import InvalidInputError

from .chat import Message, Role

__all__ = ["call_text", "plain_text", "received_messages", "spoken"]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "environment", "env", "observation", "tool", "function", "ipython"), "user"),
    **dict.fromkeys(("assistant", "gpt", "agent", "model", "bot", "chatgpt", "function_call"), "assistant"),
}
_NOT_TRAINED = ("weight", "train", "loss")
"""Keys under which a message says whether it is trained on."""


def received_messages(value: Any, name: str) -> list[Message]:
    """The messages of a list. Raises InvalidInputError, which says which message is wrong and how."""
    if not isinstance(value, list):
        raise InvalidInputError(f"{name}: a list of messages was expected, not {_kind(value)}")
    return [_message(item, f"{name}[{number}]") for number, item in enumerate(value)]


def spoken(value: Any, name: str, role: Role) -> list[Message]:
    """The messages of a part of a preference: a list of them, a single one, or a text that `role` says."""
    if isinstance(value, str):
        return [Message(role, value)]
    return received_messages([value] if isinstance(value, dict) else value, name)


def plain_text(value: Any, where: str) -> str:
    """The text of a content: a string, or parts of text. Raises InvalidInputError for anything else."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return "\n".join(_part(part, where) for part in value)
    raise InvalidInputError(f"{where}: text was expected, not {_kind(value)}")


def call_text(name: Any, arguments: Any, where: str) -> str:
    """A tool call as an action: the one text that it was given, else `name(arguments as JSON)`."""
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


def _message(item: Any, where: str) -> Message:
    if not isinstance(item, dict):
        raise InvalidInputError(f"{where}: an object was expected, not {_kind(item)}")
    named = item.get("role", item.get("from"))
    role = _ROLES.get(named.strip().lower()) if isinstance(named, str) else None
    if role is None:
        missing = "no role" if named is None else f"the unknown role {str(named)[:40]!r}"
        raise InvalidInputError(f"{where}: {missing}")
    if not {"content", "value", "tool_calls", "text"} & item.keys():
        raise InvalidInputError(f"{where}: no content")
    text = plain_text(item.get("content", item.get("value", item.get("text"))), where)
    thought = item.get("reasoning_content", item.get("reasoning"))
    if role == "assistant" and item.get("tool_calls"):
        thought = thought or text or None
        text = f"Action: {_calls(item['tool_calls'], where)}"
    return Message(role, text, _trained(item), thought if isinstance(thought, str) and thought.strip() else None)


def _calls(calls: Any, where: str) -> str:
    if not isinstance(calls, list):
        raise InvalidInputError(f"{where}.tool_calls: a list was expected, not {_kind(calls)}")
    parts = []
    for call in calls:
        if not isinstance(call, dict) or not isinstance(function := call.get("function", call), dict):
            raise InvalidInputError(f"{where}.tool_calls: an object was expected, not {_kind(call)}")
        parts.append(call_text(function.get("name"), function.get("arguments"), f"{where}.tool_calls"))
    return "; ".join(parts)


def _part(part: Any, where: str) -> str:
    if isinstance(part, str):
        return part
    if isinstance(part, dict) and isinstance(part.get("text"), str):
        return str(part["text"])
    kind = part.get("type") if isinstance(part, dict) else _kind(part)
    raise InvalidInputError(f"{where}: a part of the type {str(kind)[:40]!r}; only text can be read")


def _trained(item: dict[str, Any]) -> bool | None:
    found = next((item[key] for key in _NOT_TRAINED if item.get(key) is not None), None)
    return bool(found) if isinstance(found, (bool, int, float)) else None


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "text", bool: "a truth value", type(None): "null"}
    return names.get(type(value), "a number")
