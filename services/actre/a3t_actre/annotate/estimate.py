"""Estimates what annotating a file will take: reasons, tokens, time and money."""

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
"""Number of prompts that are built to estimate the mean length."""
_CHARACTERS = 4.0
"""Approximate number of characters in a token."""
_COMPLETION = 30
"""Approximate number of tokens in a reason."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate for an LLM. `dollars` is None without prices, `seconds` if no time was measured."""

    episodes: int
    reasons: int
    prompt_tokens: int
    completion_tokens: int
    dollars: float | None
    seconds: float | None = None

    def words(self) -> str:
        """The estimate as a sentence."""
        told = f"{self.reasons} reasons to write in {self.episodes} episodes"
        if self.seconds is not None:
            told += f", about {_duration(self.seconds)}"
        tokens = f"about {self.prompt_tokens:,} prompt and {self.completion_tokens:,} completion tokens"
        cost = f", ${self.dollars:.2f}" if self.dollars is not None else ""
        return f"{told}. An LLM reads and writes {tokens}{cost}."


def estimate(
    records: Iterable[Record], settings: ActReSettings, price_in: float | None, price_out: float | None
) -> Estimate:
    """Count the steps without a reason, and estimate tokens from a sample of prompts.

    Args:
        records: the records to be annotated.
        settings: limits of the prompt.
        price_in: price of a million prompt tokens in dollars; None: the estimate has no price.
        price_out: price of a million completion tokens in dollars.
    """
    episodes = reasons = measured = characters = 0
    for record in records:
        open_steps = record.open_steps
        episodes += bool(open_steps)
        reasons += len(open_steps)
        for index in open_steps[
            len(open_steps) // 2 : len(open_steps) // 2 + 1
        ]:  # a step in the middle has a history of average length
            if measured < _SAMPLE:
                characters += len(batch_prompt(record.query(index), settings))
                measured += 1
    prompt_tokens = round(reasons * characters / max(1, measured) / _CHARACTERS)
    completion_tokens = reasons * _COMPLETION
    priced = price_in is not None or price_out is not None
    dollars = (prompt_tokens * (price_in or 0) + completion_tokens * (price_out or 0)) / 1e6
    return Estimate(episodes, reasons, prompt_tokens, completion_tokens, dollars if priced else None)


async def first_reason_seconds(record: Record, ask: Ask) -> float:
    """Seconds that the first missing reason of a record takes. The answer is dropped; an LLM's answer stays in its
    cache.
    """
    started = time.perf_counter()
    await ask(record.query(record.open_steps[0]))
    return time.perf_counter() - started


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
