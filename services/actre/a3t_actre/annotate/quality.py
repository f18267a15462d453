"""Rates a reason by its words: whether it names its action, and whether it has words that the agent could not know
yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

from pydantic import BaseModel, Field

from a3t_contracts.schemas import History

__all__ = ["Quality", "quality_of"]

_WORD = re.compile(r"[^\W_]+")
_COMMON_WORDS = (
    "a an and any are as at be been but by can could did do does for from get go had has have he her here his how "
    "i if in into is it its just let like look may me might more most must my need next no not now of off on one "
    "only or other our out over see she should so some than that the their them then there these they thing this "
    "to try up us use was way we well were what when where which while who why will with would you your"
)
_COMMON = frozenset(_COMMON_WORDS.split())
_NAMED = 8
"""Common words, which are ignored in the comparison."""


class Quality(BaseModel):
    """The quality of a reason."""

    names_action: bool = Field(description="Whether the reason has a word of the action that is not a common word")
    leaks: list[str] = Field(
        description="Words that the agent could not know yet, because they appear only after the action"
    )
    judge: int | None = Field(None, ge=1, le=5, description="Mark by an LLM, from 1 to 5; null if no LLM was asked")

    def told(self) -> dict[str, Any]:
        """The form that is written to a file."""
        return self.model_dump(exclude_none=True)


def quality_of(reason: str, action: str, history: History, future: Iterable[str]) -> Quality:
    """Rate a reason by its words.

    A word leaks if it occurs in what the agent saw or did later, but neither before nor in the action, and is not a
    common word. A number counts together with the word before it ("shelf 3"), because environments name objects that
    way.

    Args:
        reason: the reason.
        action: the action that it explains.
        history: what was visible before the action.
        future: later observations and actions.
    """
    said = _things(reason)
    seen = _things(history.preamble, history.observation, action)
    for turn in history.turns:
        seen |= _things(turn.thought or "", turn.action, turn.observation)
    later = _things(*future) - seen
    own = _things(action)
    return Quality(names_action=bool(said & own) or not own, leaks=sorted(said & later)[:_NAMED])


def _things(*texts: str) -> set[str]:
    """The words that are not common, and each of them with the number after it."""
    found: set[str] = set()
    for text in texts:
        words = _WORD.findall(text.lower())
        found |= {word for word in words if word not in _COMMON and len(word) > 1 and not word.isdigit()}
        found |= {f"{a} {b}" for a, b in pairwise(words) if b.isdigit() and not a.isdigit()}
    return found
