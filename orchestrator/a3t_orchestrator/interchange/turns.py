"""Finds thought and action in texts of other projects' agents."""

from __future__ import annotations

import re
from collections.abc import Iterator

from a3t_contracts.react import Reply

from .contents import call_of, json_object

__all__ = ["has_action", "parse_turn", "task_and_turns", "transcript_of"]

_LABEL = r"[ \t]*(?:\d+[ \t]*)?[:：][*_]*[ \t]*"
_START = r"^[ \t>*_#-]*"
_ACTION = re.compile(rf"{_START}(?:next )?action{_LABEL}|^#+[ \t]*action[ \t]*$", re.I | re.M)
_THOUGHT = re.compile(
    rf"{_START}(?:thoughts?|think|reason|reasoning|rationale){_LABEL}|^#+[ \t]*(?:thought|reasoning)[ \t]*$",
    re.I | re.M,
)
_OBSERVATION = re.compile(rf"{_START}(?:observation|obs){_LABEL}", re.I | re.M)
_INLINE = re.compile(rf"(?<=\s)action{_LABEL}", re.I)
"""An action label on the same line as the thought."""
_INPUT = re.compile(rf"\A[ \t]*{_START}action[ \t]*input{_LABEL}", re.I | re.M)
_TAGGED = re.compile(r"<action>(.*?)(?:</action>|\Z)", re.I | re.S)
_CALLED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.I | re.S)
_TAGS = re.compile(r"</?(?:think|thinking|thought|reason|reasoning|plan|planning)>", re.I)
_FENCE = re.compile(r"\A`{3,}[ \t]*[\w+-]*\n(.*?)(?:^[ \t]*`{3,}|\Z)", re.S | re.M)


def has_action(text: str) -> bool:
    """Return whether the text marks an action: "Action: …", `<action>…</action>`, or a call in `<tool_call>`."""
    return bool(_TAGGED.search(text) or _labelled(text) or _calls(text))


def parse_turn(text: str, *, plain: bool = False) -> Reply:
    """Split a turn into thought and action: "Thought: … Action: …", with each label in front of its text or on a
    separate line, or in tags.

    With `plain` the whole text is the action. Otherwise a text that marks no action is a thought without an action.
    """
    if plain:
        return Reply(None, _folded(text.removeprefix(">")))
    if found := _TAGGED.search(text):
        return Reply(_thought(text[: found.start()]), _folded(found[1]))
    if called := _calls(text):
        return Reply(_thought(_CALLED.sub(" ", text)), "; ".join(called))
    if found := _labelled(text):
        return Reply(_thought(text[: found.start()]), _acted(text[found.end() :].lstrip()))
    return Reply(_thought(text), "")


def transcript_of(text: str) -> list[tuple[bool, str]]:
    """Split a text that contains a whole episode into parts: turns of the agent (true) and observations (false).
    Returns a single part if no observation in the text is followed by an action."""
    parts: list[tuple[bool, str]] = []
    for label, part in _parts(text):
        acting = label != "observation"
        if parts and parts[-1][0] == acting:
            parts[-1] = (acting, f"{parts[-1][1]}\n{part}")
        else:
            parts.append((acting, part))
    return parts if any(acting and has_action(part) for acting, part in parts[2:]) else [(True, text)]


def task_and_turns(text: str) -> tuple[str, str]:
    """Split a text into the part before the first label of a turn, and the rest."""
    found = [mark.start() for pattern in (_THOUGHT, _ACTION) if (mark := pattern.search(text))]
    start = min(found, default=0)
    return text[:start].strip(), text[start:]


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """Yield the pieces of a text, each with the label that it begins with. Observations are returned without their
    label."""
    marks = [("observation", found) for found in _OBSERVATION.finditer(text)]
    marks += [("turn", found) for pattern in (_THOUGHT, _ACTION) for found in pattern.finditer(text)]
    marks.sort(key=lambda mark: mark[1].start())
    starts = [found.start() for _, found in marks] + [len(text)]
    if head := text[: starts[0]].strip():
        yield "turn", head
    for (label, found), end in zip(marks, starts[1:], strict=True):
        yield label, text[found.end() if label == "observation" else found.start() : end].strip()


def _labelled(text: str) -> re.Match[str] | None:
    """Find where an action begins: at a label at the start of a line, or after the thought on the same line."""
    found = _ACTION.search(text)
    if found is None and _THOUGHT.match(text.lstrip()):
        found = _INLINE.search(text)
    return found


def _acted(behind: str) -> str:
    """Return the action after its label: the rest of the line, the content of a code fence, or a tool with its
    input."""
    if fenced := _FENCE.match(behind):
        return _folded(fenced[1])
    line, _, rest = behind.partition("\n")
    if found := _INPUT.match(rest):
        given = rest[found.end() :].strip()
        inner = _FENCE.match(given)
        return f"{_folded(line)}[{_folded(inner[1] if inner else given)}]"
    return _folded(line)


def _calls(text: str) -> list[str]:
    """Return the actions of tool calls in tags (Hermes, Qwen); an empty list if the text in the tags is not a call."""
    read = [json_object(call) for call in _CALLED.findall(text)]
    return [call_of(call, "tool_call") for call in read if call and isinstance(call.get("name"), str)]


def _thought(text: str) -> str | None:
    return _folded(_TAGS.sub(" ", _THOUGHT.sub("", text, count=1))) or None


def _folded(text: str) -> str:
    return " ".join(text.split())
