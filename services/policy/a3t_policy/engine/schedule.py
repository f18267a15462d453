"""Chooses which tokens of which sequences a step of the engine computes, and in which passes."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Sequence as Many

from .sequence import Sequence

__all__ = ["Part", "passes"]

Part = tuple[Sequence, int]
"""A sequence, and the largest number of its next tokens that a pass computes."""


def passes(members: Many[Sequence], budget: int, *, flat: bool) -> Iterator[list[Part]]:
    """The passes of one step for the running sequences of a version.

    Together they compute one token of each sequence that is writing, and up to `budget` tokens of prompts, the oldest
    sequence first.

    Args:
        budget: number of prompt tokens.
        flat: whether a pass has no padding. Then there is one pass; else prompts of about the same length share one,
            because a pass is as wide as its widest row, and the sequences that are writing have another.
    """
    writing: list[Part] = [(s, 1) for s in members if not s.prefilling]
    reading = [s for s in members if s.prefilling]
    if flat:
        parts = [*writing, *_in_order(reading, budget)]
        if parts:
            yield parts
        return
    yield from _alike(reading, budget)
    if writing:
        yield writing


def _in_order(members: Many[Sequence], budget: int) -> Iterator[Part]:
    for sequence in members:
        if budget <= 0:
            return
        count = len(sequence.pending(budget))
        yield sequence, count
        budget -= count


def _alike(members: Many[Sequence], budget: int) -> Iterator[list[Part]]:
    """Yield batches of sequences: the oldest, with those that have about as many tokens left."""
    left = list(members)
    while left and budget > 0:
        size = len(left[0].pending(budget))
        near = [s for s in left if size // 2 - 16 <= len(s.pending(budget)) <= 2 * size + 16]
        width = max(len(s.pending(budget)) for s in near)
        batch = near[: max(1, budget // width)]
        yield [(s, min(width, budget)) for s in batch]
        budget -= len(batch) * width
        left = [s for s in left if s not in batch]
