"""Reads lists of messages of other projects, with the key names of OpenAI, ShareGPT, Anthropic, Gemini and
LangChain."""

from __future__ import annotations

from typing import Any

from a3t_contracts.errors import InvalidInputError

from .contents import json_value, kind_of, plain_text, said
from .message import Message, Role

__all__ = ["is_message", "received_messages", "spoken"]

_ROLES: dict[str, Role] = {
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("user", "human", "environment", "env", "observation", "tool", "function", "ipython"), "user"),
    **dict.fromkeys(("tool_response", "tool_result", "function_call_output"), "user"),
    **dict.fromkeys(("assistant", "gpt", "agent", "model", "bot", "ai", "llm", "chatgpt"), "assistant"),
    **dict.fromkeys(("function_call", "tool_call", "reasoning"), "assistant"),
}
_NAMES = ("role", "from", "speaker", "type")
"""Keys under which a message names its role."""
_CONTENTS = ("content", "value", "text", "parts", "output", "summary")
"""Keys under which a message has its content."""
_CALLS = ("tool_calls", "function_call")
_NOT_TRAINED = ("weight", "train", "loss")
"""Keys under which a message says whether it is trained on."""


def is_message(item: Any) -> bool:
    """Return whether a value looks like one message, and not like an episode."""
    if not isinstance(item, dict):
        return False
    held = _opened(item)
    return _role_of(held) is not None and not {"messages", "conversations", "steps"} & held.keys()


def received_messages(value: Any, name: str) -> list[Message]:
    """Return the messages of a list. Raises InvalidInputError that says which message is wrong and why."""
    if isinstance(value, str) and isinstance(parsed := json_value(value), list):  # tables store lists as JSON text
        value = parsed
    if not isinstance(value, list):
        raise InvalidInputError(f"{name}: a list of messages was expected, not {kind_of(value)}")
    return [_message(item, f"{name}[{number}]") for number, item in enumerate(value)]


def spoken(value: Any, name: str, role: Role) -> list[Message]:
    """Return the messages of one side of a preference pair: a list of messages, a single message, or a text by
    `role`."""
    if isinstance(value, str):
        return [Message(role, value)]
    return received_messages([value] if isinstance(value, dict) else value, name)


def _message(item: Any, where: str) -> Message:
    if not isinstance(item, dict):
        raise InvalidInputError(f"{where}: an object was expected, not {kind_of(item)}")
    item = _opened(item)
    role = _role_of(item)
    if role is None:
        named = next((item[key] for key in _NAMES if item.get(key) is not None), None)
        missing = "no role" if named is None else f"the unknown role {str(named)[:40]!r}"
        raise InvalidInputError(f"{where}: {missing}")
    if not {*_CONTENTS, *_CALLS, "arguments"} & item.keys():
        raise InvalidInputError(f"{where}: no content")
    content = next((item[key] for key in _CONTENTS if item.get(key) is not None), None)
    if role != "assistant":
        return Message(role, plain_text(content, where), _trained(item))
    told = said(content, where)
    thought = item.get("reasoning_content", item.get("reasoning"))
    told.thought = thought if isinstance(thought, str) and thought.strip() else told.thought
    told.add_calls(item.get("tool_calls"), f"{where}.tool_calls")
    told.add_calls([call] if (call := item.get("function_call")) else None, f"{where}.function_call")
    if item.get("type") == "reasoning":
        return Message(role, "", _trained(item), told.text or None)
    if item.get("type") == "function_call" and "name" in item:
        told.add_calls([item], where)
    if "call" in str(item.get("role", item.get("from"))):
        told.read_call(where)
    return Message(role, told.turn(), _trained(item), told.reason())


def _opened(item: dict[str, Any]) -> dict[str, Any]:
    """Return the message inside `data` (LangChain), else the item itself."""
    data = item.get("data")
    return item | data if isinstance(data, dict) and "content" in data else item


def _role_of(item: dict[str, Any]) -> Role | None:
    named = next((item[key] for key in _NAMES if isinstance(item.get(key), str) and item[key] != "message"), None)
    return _ROLES.get(named.strip().lower()) if named is not None else None


def _trained(item: dict[str, Any]) -> bool | None:
    found = next((item[key] for key in _NOT_TRAINED if item.get(key) is not None), None)
    return bool(found) if isinstance(found, (bool, int, float)) else None
