"""Thought and action in the text of somebody else's agent."""

from __future__ import annotations

import re

from a3t_contracts.react import Reply

__all__ = ["has_action", "parse_turn"]

_ACTION = re.compile(r"^[ \t>*_#-]*action[ \t]*(?:\d+[ \t]*)?:[*_]*[ \t]*", re.I | re.M)
_THOUGHT = re.compile(r"^[ \t>*_#-]*(?:thought|think|reason|reasoning)[ \t]*(?:\d+[ \t]*)?:[*_]*[ \t]*", re.I | re.M)
_TAGGED = re.compile(r"<action>(.*?)(?:</action>|\Z)", re.I | re.S)
_TAGS = re.compile(r"</?(?:think|thought|reason|reasoning|plan|planning)>", re.I)


def has_action(text: str) -> bool:
    """Whether the text marks an action: a line "Action: …", or `<action>…</action>`."""
    return bool(_TAGGED.search(text) or _ACTION.search(text))


def parse_turn(text: str, *, plain: bool = False) -> Reply:
    """Take a turn apart: "Thought: … Action: …", on one line each or the labels on lines of their own, or in tags.

    `plain`: the whole text is the action. Text that marks no action is else a thought without one.
    """
    if plain:
        return Reply(None, _folded(text))
    if found := _TAGGED.search(text):
        return Reply(_thought(text[: found.start()]), _folded(found[1]))
    if found := _ACTION.search(text):
        behind = text[found.end() :].lstrip()
        return Reply(_thought(text[: found.start()]), _folded(behind.split("\n", 1)[0]))
    return Reply(_thought(text), "")


def _thought(text: str) -> str | None:
    return _folded(_TAGS.sub(" ", _THOUGHT.sub("", text, count=1))) or None


def _folded(text: str) -> str:
    return " ".join(text.split())
