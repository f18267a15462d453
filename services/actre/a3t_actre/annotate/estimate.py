"""What annotating a file will take: reasons, tokens, time and money, told before it begins."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from ..settings import ActReSettings
from .batch import batch_prompt
from .records import Record
from .work import Ask

__all__ = ["Estimate", "estimate", "first_reason_seconds"]

_SAMPLE = 64
"""Prompts that are built to know how long prompts are."""
_CHARACTERS = 4.0
"""Characters of a token, about."""
_COMPLETION = 30
"""Tokens of a reason, about."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Tokens and dollars are those of an LLM, about; `seconds` None where nothing was measured."""

    episodes: int
    reasons: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    seconds: float | None = None

    def words(self) -> str:
        """In a sentence."""
        told = f"{self.reasons} reasons to write in {self.episodes} episodes"
        if self.seconds is not None:
            told += f", about {_duration(self.seconds)}"
        tokens = f"about {self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens"
        cost = f", ${self.dollars:.2f}" if self.dollars is not None else ""
        return f"{told}. An LLM reads and writes {tokens}{cost}."


def estimate(
    records: Iterable[Record], settings: ActReSettings, price_in: float | None, price_out: float | None
) -> Estimate:
    """Count what is open, and how long the prompts of a sample are.

    Args:
        records: the records to be annotated.
        settings: limits of the prompt.
        price_in: dollars of a million prompt tokens.
        price_out: dollars of a million completion tokens.
    """
    episodes = reasons = measured = characters = 0
    for record in records:
        open_steps = record.open_steps
        episodes += bool(open_steps)
        reasons += len(open_steps)
        for index in open_steps[len(open_steps) // 2 : len(open_steps) // 2 + 1]:  # the middle: of average length
            if measured < _SAMPLE:
                characters += len(batch_prompt(record.query(index), settings))
                measured += 1
    prompt_tokens = round(reasons * characters / max(1, measured) / _CHARACTERS)
    completion_tokens = reasons * _COMPLETION
    priced = price_in is not None or price_out is not None
    dollars = (prompt_tokens * (price_in or 0) + completion_tokens * (price_out or 0)) / 1e6
    return Estimate(episodes, reasons, prompt_tokens, completion_tokens, dollars if priced else None)


async def first_reason_seconds(record: Record, ask: Ask) -> float:
    """Seconds of the first reason that a record needs; the answer is thrown away (an LLM's is in its cache then)."""
    started = time.perf_counter()
    await ask(record.query(record.open_steps[0]))
    return time.perf_counter() - started


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
