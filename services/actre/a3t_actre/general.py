"""The general grammar: writes a reason for any action in any environment, from words of the action that occur in the
visible history.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from a3t_contracts.react import History, observation_text

__all__ = ["general_reason"]

_WORD = re.compile(r"\w+")
_COMMON = (
    "a an and any are as at be by do for from go i in into is it its me my no not of off on or out some that the them "
    "then there this to up use was we what which with you your"
)
_COMMON_WORDS = frozenset(_COMMON.split())
_CLIP = 160
_SHORT = 80
_MOST_WORDS = 40
_MOST_THINGS = 3
_MOST_TEXT = 20_000
"""Words are searched in this number of characters at the end of an observation."""


def general_reason(history: History, action: str) -> str:
    """Write a reason for `action` after `history`. It claims little, because only the texts are known.

    The reason says where words of the action occurred: in the newest observation, at the beginning (with the task), or
    in between. If they occur nowhere, it quotes the last observation if that is short. It is never empty, and the
    function never raises.
    """
    command = " ".join(action.split())
    attempt = f"I try {_clip(command, _CLIP)}." if command else "I try nothing."
    if any(" ".join(turn.action.split()) == command for turn in history.turns):
        return f"I have done this before. {attempt[:-1]} again."
    newest = observation_text(history.turns[-1].observation) if history.turns else ""
    if here := _named(command, newest):
        return f"I see {here} here. {attempt}"
    if told := _named(command, observation_text(history.observation)):
        return f"I was told of {told} at the beginning. {attempt}"
    if met := _met(command, history):
        return f"I have met {met} on the way. {attempt}"
    return f'The last answer was "{newest}" {attempt}' if 0 < len(newest) <= _SHORT else attempt


def _met(command: str, history: History) -> str:
    earlier = (_named(command, observation_text(turn.observation)) for turn in reversed(history.turns[:-1]))
    return next((found for found in earlier if found), "")


def _named(command: str, text: str) -> str:
    """The phrases of an action that occur in a text, joined by "and"; empty if none does."""
    words = " ".join(_WORD.findall(text[-_MOST_TEXT:].lower()))
    things = list(dict.fromkeys(_phrases(_WORD.findall(command)[:_MOST_WORDS], f" {words} ")))
    return " and ".join(_clip(thing, _SHORT) for thing in things[:_MOST_THINGS])


def _phrases(words: Sequence[str], text: str) -> Iterator[str]:
    """Yield the longest sequences of words that occur in the text, from left to right, without common words at their
    ends.
    """
    start = 0
    while start < len(words):
        end = start
        while end < len(words) and f" {' '.join(words[start : end + 1]).lower()} " in text:
            end += 1
        run = words[start:end]
        while run and run[0].lower() in _COMMON_WORDS:
            run = run[1:]
        while run and run[-1].lower() in _COMMON_WORDS:
            run = run[:-1]
        if run:
            yield " ".join(run)
        start = max(end, start + 1)


def _clip(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most].rsplit(' ', 1)[0]} …"
