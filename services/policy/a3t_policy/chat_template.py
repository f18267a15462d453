"""Turns messages into a prompt, with the tokenizer's chat template or, if it has none, in this project's text format.

In this project's format, system messages become the preamble, followed by a blank line. A user's message becomes an
observation ("Observation: …", unless it begins that way). An assistant's message is used unchanged, followed by a line
end. This format has no tools. A chat template supports tools if its output contains their names, and calls if its
output contains a call and its result.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jinja2 import TemplateError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react.format import OBSERVATION

from .text import TextCodec

__all__ = ["render_chat", "template_text"]

Row = dict[str, Any]
"""A message in the form of chat templates: `role`, `content` and optionally `tool_calls`, `tool_call_id`, `name`."""

_PROBE = "zqxprobe"
_QUESTION: Row = {"role": "user", "content": "x"}
_CALL: Row = {"id": "zqxprobe0", "type": "function", "function": {"name": _PROBE, "arguments": {}}}
_TOOL: Row = {
    "type": "function",
    "function": {"name": _PROBE, "description": "", "parameters": {"type": "object", "properties": {}}},
}
_CALLED: list[Row] = [
    _QUESTION,
    {"role": "assistant", "content": "", "tool_calls": [_CALL]},
    {"role": "tool", "content": f"{_PROBE} result", "tool_call_id": _CALL["id"], "name": _PROBE},
]


def render_chat(codec: TextCodec, rows: Sequence[Row], tools: Sequence[Row] = ()) -> tuple[list[int], str]:
    """Return token ids and text of the prompt. Raises InvalidInputError if the template refuses the messages, or
    does not support tools or calls that the request has.
    """
    calls = any(row["role"] == "tool" or "tool_calls" in row for row in rows)
    if tools and not _shows(codec, [_QUESTION], [_TOOL], _PROBE):
        hint = "Leave tools out and describe them in a system message, or serve a base whose template supports them."
        raise InvalidInputError(f"tools: {_lacks(codec, 'tools')}.", hint=hint)
    if calls and not (_shows(codec, _CALLED, None, f"{_PROBE} result") and _shows(codec, _CALLED[:2], None, _PROBE)):
        hint = "Send calls and results as the content of messages, or serve a base whose template supports them."
        raise InvalidInputError(f"messages: {_lacks(codec, 'tool calls')}.", hint=hint)
    if codec.tokenizer.chat_template:
        text = _by_template(codec, _named(rows), list(tools) or None)
        return codec.rendered(text), text
    text = "".join(_plain(row["role"], row["content"]) for row in rows)
    return codec.prompt(text), text


def template_text(codec: TextCodec) -> str:
    """The source text of the base's chat templates; empty if it has none."""
    template = codec.tokenizer.chat_template or ""
    return "\n".join(template.values()) if isinstance(template, dict) else str(template)


def _by_template(codec: TextCodec, rows: Sequence[Row], tools: list[Row] | None) -> str:
    try:
        text = codec.tokenizer.apply_chat_template(rows, tools=tools, tokenize=False, add_generation_prompt=True)
    except (TemplateError, TypeError, ValueError, KeyError, RecursionError) as error:
        raise InvalidInputError(f"messages: the base's chat template refuses them: {error}") from error
    return str(text)


def _shows(codec: TextCodec, rows: list[Row], tools: list[Row] | None, sign: str) -> bool:
    """Whether the template's output contains a text that test messages or tools contain."""
    if not codec.tokenizer.chat_template:
        return False
    try:
        return sign in _by_template(codec, rows, tools)
    except InvalidInputError:
        return False


def _lacks(codec: TextCodec, what: str) -> str:
    if codec.tokenizer.chat_template:
        return f"the base's chat template does not support {what}"
    return f"the base has no chat template, and the plain text format used instead does not support {what}"


def _named(rows: Sequence[Row]) -> list[Row]:
    """Add to each tool result the name of its function, which some templates write."""
    names = {call["id"]: call["function"]["name"] for row in rows for call in row.get("tool_calls", ())}
    named = []
    for row in rows:
        name = names.get(row.get("tool_call_id", "")) if row["role"] == "tool" else None
        named.append({"name": name} | row if name else row)
    return named


def _plain(role: str, content: str) -> str:
    if role in ("system", "developer"):
        return content.rstrip("\n") + "\n\n"
    line = content.rstrip("\n") + "\n"
    return line if role == "assistant" or line.startswith(OBSERVATION) else f"{OBSERVATION} {line}"
