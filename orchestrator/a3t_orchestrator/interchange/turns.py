"""Thought and action in the text of somebody else's agent."""

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
"""An action on the line of its thought."""
_INPUT = re.compile(rf"\A[ \t]*{_START}action[ \t]*input{_LABEL}", re.I | re.M)
_TAGGED = re.compile(r"<action>(.*?)(?:</action>|\Z)", re.I | re.S)
_CALLED = re.compile(r"<tool_call>(.*?)(?:</tool_call>|\Z)", re.I | re.S)
_TAGS = re.compile(r"</?(?:think|thinking|thought|reason|reasoning|plan|planning)>", re.I)
_FENCE = re.compile(r"\A`{3,}[ \t]*[\w+-]*\n(.*?)(?:^[ \t]*`{3,}|\Z)", re.S | re.M)


def has_action(text: str) -> bool:
    """Whether the text marks an action: "Action: …" or `<action>…</action>`, or a call in `<tool_call>`."""
    return bool(_TAGGED.search(text) or _labelled(text) or _calls(text))


def parse_turn(text: str, *, plain: bool = False) -> Reply:
    """Take a turn apart: "Thought: … Action: …", on one line each or the labels on lines of their own, or in tags.

    `plain`: the whole text is the action. Text that marks no action is else a thought without one.
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
    """The parts of a text that tells a whole episode: what the agent said (true), and what it observed. A single part
    where the text has no observation that an action follows."""
    parts: list[tuple[bool, str]] = []
    for label, part in _parts(text):
        acting = label != "observation"
        if parts and parts[-1][0] == acting:
            parts[-1] = (acting, f"{parts[-1][1]}\n{part}")
        else:
            parts.append((acting, part))
    return parts if any(acting and has_action(part) for acting, part in parts[2:]) else [(True, text)]


def task_and_turns(text: str) -> tuple[str, str]:
    """What stands before the first label of a turn, and the rest."""
    found = [mark.start() for pattern in (_THOUGHT, _ACTION) if (mark := pattern.search(text))]
    start = min(found, default=0)
    return text[:start].strip(), text[start:]


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The text in pieces, each with the label that it begins with; an observation goes without its label."""
    marks = [("observation", found) for found in _OBSERVATION.finditer(text)]
    marks += [("turn", found) for pattern in (_THOUGHT, _ACTION) for found in pattern.finditer(text)]
    marks.sort(key=lambda mark: mark[1].start())
    starts = [found.start() for _, found in marks] + [len(text)]
    if head := text[: starts[0]].strip():
        yield "turn", head
    for (label, found), end in zip(marks, starts[1:], strict=True):
        yield label, text[found.end() if label == "observation" else found.start() : end].strip()


def _labelled(text: str) -> re.Match[str] | None:
    """Where an action begins: at a label on a line of its own, or behind the thought on its line."""
    found = _ACTION.search(text)
    if found is None and _THOUGHT.match(text.lstrip()):
        found = _INLINE.search(text)
    return found


def _acted(behind: str) -> str:
    """The action behind its label: the rest of the line, or what a code fence holds; a tool with its input is one."""
    if fenced := _FENCE.match(behind):
        return _folded(fenced[1])
    line, _, rest = behind.partition("\n")
    if found := _INPUT.match(rest):
        given = rest[found.end() :].strip()
        inner = _FENCE.match(given)
        return f"{_folded(line)}[{_folded(inner[1] if inner else given)}]"
    return _folded(line)


def _calls(text: str) -> list[str]:
    """The actions of the calls that stand in tags (Hermes, Qwen); none where their text is no call."""
    read = [json_object(call) for call in _CALLED.findall(text)]
    return [call_of(call, "tool_call") for call in read if call and isinstance(call.get("name"), str)]


def _thought(text: str) -> str | None:
    return _folded(_TAGS.sub(" ", _THOUGHT.sub("", text, count=1))) or None


def _folded(text: str) -> str:
    return " ".join(text.split())
