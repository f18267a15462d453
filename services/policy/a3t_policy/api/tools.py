"""Tools in requests, and tool calls in a model's reply.

Decoding is not constrained: the model writes calls in the form of its chat template. They count as calls if every call
of the reply can be parsed and names a tool of the request; otherwise the reply is text.
"""

from __future__ import annotations

import json
import re
import secrets
import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol

from pydantic import Field

from .neutral import ClientSchema, Unserved

__all__ = ["CallForm", "FunctionTool", "Reply", "Tool", "call_form", "read_reply", "sure_text"]

_JSON = json.JSONDecoder()


class FunctionTool(ClientSchema):
    """A function that the model may call, in OpenAI's form."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_.:-]{1,128}$", description="Name of the function: letters, digits, `_`, `.`, `:` and `-`"
    )
    description: str | None = Field(None, description="What the function does, for the model to read")
    parameters: dict[str, Any] | None = Field(None, description="A JSON Schema")

    unserved: ClassVar[dict[str, Unserved]] = {
        "strict": Unserved(False, hint="This service does not constrain decoding: send false, and check the arguments.")
    }


class Tool(ClientSchema):
    """One entry of OpenAI's `tools`."""

    type: Literal["function"] = Field("function", description="Type of the tool; only functions exist")
    function: FunctionTool = Field(description="The function that the model may call")

    def row(self) -> dict[str, Any]:
        """The tool as chat templates read it."""
        function = self.function
        parameters = function.parameters or {"type": "object", "properties": {}}
        row = {"name": function.name, "description": function.description or "", "parameters": parameters}
        return {"type": "function", "function": row}


@dataclass(frozen=True, slots=True)
class Reply:
    """A parsed reply: the text before the calls, and the calls in OpenAI's form."""

    text: str
    calls: list[dict[str, Any]]


class CallForm(Protocol):
    """How a family of models writes tool calls."""

    def begin(self, text: str) -> int | None:
        """Position at which calls begin or may begin; the text before it is final. None if no call has begun so far."""

    def read(self, calls: str) -> list[Any] | None:
        """The calls as values with `name` and `arguments` or `parameters`; None if they cannot be parsed."""


class _Hermes:
    """`<tool_call>{"name": …, "arguments": {…}}</tool_call>`, once per call: Hermes and Qwen."""

    _open, _close = "<tool_call>", "</tool_call>"

    def begin(self, text: str) -> int | None:
        return _marker(text, self._open)

    def read(self, calls: str) -> list[Any] | None:
        found, rest = [], calls.strip()
        while rest.startswith(self._open):
            one = _value(rest, len(self._open))
            if one is None:
                return None
            value, end = one
            found.append(value)
            rest = rest[end:].lstrip().removeprefix(self._close).lstrip()
        return found if not rest else None


class _Mistral:
    """`[TOOL_CALLS][{"name": …, "arguments": {…}}, …]`: Mistral. The marker is a special token, which decoded text
    leaves out."""

    _open = "[TOOL_CALLS]"
    _bare = re.compile(r'\[\s*(\{\s*("[a-z]*)?)?$|\[\s*\{\s*"(name|arguments)"')

    def begin(self, text: str) -> int | None:
        marked, bare = _marker(text, self._open), self._bare.search(text)
        return min((at for at in (marked, bare.start() if bare else None) if at is not None), default=None)

    def read(self, calls: str) -> list[Any] | None:
        one = _value(calls.strip().removeprefix(self._open).strip(), 0, whole=True)
        return one[0] if one is not None and isinstance(one[0], list) else None


class _Llama:
    """The whole reply is `{"name": …, "parameters": {…}}`, with `;` between several: Llama 3."""

    _open = "<|python_tag|>"

    def begin(self, text: str) -> int | None:
        bare = text.lstrip()
        return 0 if bare.startswith(("{", self._open)) or self._open.startswith(bare) else None

    def read(self, calls: str) -> list[Any] | None:
        found, rest = [], calls.strip().removeprefix(self._open).strip()
        while rest:
            one = _value(rest, 0)
            if one is None:
                return None
            found.append(one[0])
            rest = rest[one[1] :].lstrip()
            if rest and not rest.startswith(";"):
                return None
            rest = rest[1:].lstrip()
        return found


def call_form(template: str) -> CallForm | None:
    """The form in which a chat template tells its model to write calls; None for an unknown form."""
    if "<tool_call>" in template and "<function=" not in template:
        return _Hermes()
    if "[TOOL_CALLS]" in template and "[ARGS]" not in template:
        return _Mistral()
    if '"parameters"' in template and "ipython" in template:
        return _Llama()
    return None


def read_reply(form: CallForm, text: str, names: Sequence[str], several: bool) -> Reply:
    """Parse a finished reply. Returns all calls if `several`, else the first. A reply without calls keeps its text."""
    at = form.begin(text)
    values = form.read(text[at:]) if at is not None else None
    calls = [_call(value, names) for value in values or ()]
    if at is None or not calls or None in calls:
        return Reply(text, [])
    return Reply(text[:at].rstrip(), [call for call in calls if call is not None][: None if several else 1])


def sure_text(form: CallForm, text: str) -> str:
    """The beginning of a growing reply that cannot belong to a call, without trailing space (a call may follow)."""
    return text[: form.begin(text)].rstrip()


def _call(value: Any, names: Sequence[str]) -> dict[str, Any] | None:
    if not isinstance(value, dict) or value.get("name") not in names:
        return None
    arguments = value.get("arguments", value.get("parameters", {}))
    if isinstance(arguments, str):
        one = _value(arguments, 0, whole=True)
        arguments = one[0] if one else None
    if not isinstance(arguments, dict):
        return None
    try:
        written = json.dumps(arguments, ensure_ascii=False)
    except RecursionError:
        return None
    function = {"name": value["name"], "arguments": written}
    return {"id": _new_id(), "type": "function", "function": function}


def _new_id() -> str:
    """An id of nine letters and digits, as Mistral's templates require; other templates accept it."""
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _ in range(9))


def _value(text: str, start: int, whole: bool = False) -> tuple[Any, int] | None:
    """The JSON value at `start`, after any spaces, and its end; None if there is none or it is incomplete."""
    start += len(text[start:]) - len(text[start:].lstrip())
    try:
        value, end = _JSON.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None
    return None if whole and text[end:].strip() else (value, end)


def _marker(text: str, marker: str) -> int | None:
    """Position of the marker, or of an end of the text that may be the beginning of the marker."""
    at = text.find(marker)
    if at >= 0:
        return at
    for size in range(min(len(marker) - 1, len(text)), 0, -1):
        if marker.startswith(text[-size:]):
            return len(text) - size
    return None
