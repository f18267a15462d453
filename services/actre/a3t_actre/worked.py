"""Reads a worked episode in the ReAct format, so that a prompt can show it with the reason behind each action."""

from __future__ import annotations

import re

from a3t_contracts.react.format import ACTION, OBSERVATION, THOUGHT

__all__ = ["worked_episode"]

_LABEL = re.compile(rf"^({re.escape(OBSERVATION)}|{re.escape(THOUGHT)}|{re.escape(ACTION)})[ \t]*", re.MULTILINE)


def worked_episode(text: str) -> dict[str, object] | None:
    """The first observation and the turns of a worked episode, in the form of the prompt's own history.

    Text before the first observation, and behind a blank line after the last label, is left out. None where the text
    shows no action with a thought.
    """
    parts = [part.strip() for part in _LABEL.split(text)[1:]]
    pairs = list(zip(parts[::2], parts[1::2], strict=True))
    while pairs and pairs[0][0] != OBSERVATION:
        pairs.pop(0)
    if not pairs:
        return None
    pairs[-1] = (pairs[-1][0], pairs[-1][1].split("\n\n", 1)[0])
    (_, first), *rest = pairs
    turns: list[dict[str, str]] = []
    thought = ""
    for label, words in rest:
        if label == THOUGHT:
            thought = words
        elif label == ACTION:
            turns.append({"thought": thought, "action": words, "observation": ""})
            thought = ""
        elif turns:
            turns[-1]["observation"] = words
    return {"observation": first, "turns": turns} if any(turn["thought"] for turn in turns) else None
