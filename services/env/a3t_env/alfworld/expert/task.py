"""The task as the agent reads it: "clean some plate and put it in countertop"."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from a3t_contracts.errors import InvalidInputError

__all__ = ["ParsedTask", "Treatment", "parse_task"]

Treatment = Literal["clean", "heat", "cool"]

_PATTERNS: tuple[tuple[re.Pattern[str], Treatment | None, int], ...] = (
    (re.compile(r"put two (?P<object>\w+) in (?P<target>\w+)"), None, 2),
    (re.compile(r"find two (?P<object>\w+) and put them in (?P<target>\w+)"), None, 2),
    (re.compile(r"put a clean (?P<object>\w+) in (?P<target>\w+)"), "clean", 1),
    (re.compile(r"clean some (?P<object>\w+) and put it in (?P<target>\w+)"), "clean", 1),
    (re.compile(r"put a hot (?P<object>\w+) in (?P<target>\w+)"), "heat", 1),
    (re.compile(r"heat some (?P<object>\w+) and put it in (?P<target>\w+)"), "heat", 1),
    (re.compile(r"put a cool (?P<object>\w+) in (?P<target>\w+)"), "cool", 1),
    (re.compile(r"cool some (?P<object>\w+) and put it in (?P<target>\w+)"), "cool", 1),
    (re.compile(r"put (?:a|some) (?P<object>\w+) (?:in|on) (?P<target>\w+)"), None, 1),
    (re.compile(r"look at (?P<object>\w+) under the (?P<lamp>\w+)"), None, 1),
    (re.compile(r"examine the (?P<object>\w+) with the (?P<lamp>\w+)"), None, 1),
)
_TASK = re.compile(r"Your task is to: (.+)")


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """The goal: `count` objects, perhaps treated first, in one target receptacle; or one object held next to a lit
    lamp.
    """

    object: str
    target: str | None = None
    lamp: str | None = None
    treatment: Treatment | None = None
    count: int = 1


def parse_task(observation: str) -> ParsedTask:
    """Read the goal from the first observation. Raises InvalidInputError for an unknown wording."""
    found = _TASK.search(observation)
    text = found.group(1).strip().rstrip(".").lower() if found else ""
    for pattern, treatment, count in _PATTERNS:
        match = pattern.fullmatch(text)
        if match:
            parts = match.groupdict()
            return ParsedTask(parts["object"], parts.get("target"), parts.get("lamp"), treatment, count)
    raise InvalidInputError(
        f"The scripted expert does not understand the task {text[:120]!r}.",
        hint="It knows the templated tasks of ALFWorld, not human annotations.",
    )
