"""Prepares episodes for pages: excerpts around searched words, tokens with their probabilities, and two episodes side
by side."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

from a3t_contracts.schemas import Step, Trajectory

from ..store import search_terms, term_pattern

__all__ = ["Beside", "Excerpt", "Token", "beside", "excerpt", "tokens_of"]

_AROUND = 60


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A piece of an episode's text around a searched word."""

    before: str
    found: str
    after: str


def excerpt(query: str, steps: Iterable[dict[str, Any]], last: str) -> Excerpt | None:
    """Return an excerpt at the first place of the query's longest term in an episode; None for a query that only
    excludes words."""
    wanted = [term for term in search_terms(query) if not term.excluded]
    texts = list(_texts(steps, last))
    for term in sorted(wanted, key=lambda term: -len(term.words)):
        pattern = term_pattern([term])
        found = next(((text, match) for text in texts if pattern and (match := pattern.search(text))), None)
        if found is not None:
            return _around(*found)
    return None


def _around(text: str, found: re.Match[str]) -> Excerpt:
    start, end = max(0, found.start() - _AROUND), found.end() + _AROUND
    before = ("…" if start else "") + text[start : found.start()]
    return Excerpt(before, found.group(), text[found.end() : end] + ("…" if end < len(text) else ""))


def _texts(steps: Iterable[dict[str, Any]], last: str) -> Iterator[str]:
    for step in steps:
        yield from (step[name] for name in ("observation", "thought", "action") if step.get(name))
    yield last


@dataclass(frozen=True, slots=True)
class Token:
    """A generated token."""

    place: int
    id: int | None
    logprob: float
    text: str | None = None

    @property
    def probability(self) -> float:
        """The probability of the token, 0 to 1."""
        return min(1.0, math.exp(self.logprob))


def tokens_of(step: Step, texts: Sequence[str] | None = None) -> list[Token]:
    """Return the tokens of a step's turn; empty where their log-probabilities were not stored. `texts`: the text of
    each token."""
    values = step.logprobs or []
    ids: list[int] | list[None] = step.completion_ids or [None] * len(values)
    known: Sequence[str | None] = texts or [None] * len(values)
    rows = zip(ids, values, known, strict=False)
    return [Token(place, id, value, text) for place, (id, value, text) in enumerate(rows)]


@dataclass(frozen=True, slots=True)
class Beside:
    """Two episodes of a task: the steps that both share, then the pairs of different steps; None where one episode has
    ended."""

    alike: list[Step]
    apart: list[tuple[Step | None, Step | None]]


def beside(left: Trajectory, right: Trajectory) -> Beside:
    """Align two episodes at the first step whose observation or action differs."""
    same = 0
    for mine, other in zip(left.steps, right.steps, strict=False):
        if (_words(mine.observation), _words(mine.action)) != (_words(other.observation), _words(other.action)):
            break
        same += 1
    return Beside(left.steps[:same], list(zip_longest(left.steps[same:], right.steps[same:])))


def _words(text: str) -> str:
    return " ".join(text.split())
