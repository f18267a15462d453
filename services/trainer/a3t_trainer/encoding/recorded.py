"""Turns recorded episodes into token sequences with the exact ids of prompts and completions.

A prompt that continues the tokens before it belongs to the same sequence. If a prompt does not continue them (because
the agent shortens its history, or its text is tokenised differently when it is sent again), a new sequence begins with
that prompt, in which earlier completions are only context. So every completion is trained once, after the tokens for
which it was generated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas.trajectory import Step, Trajectory

__all__ = ["ExactSequence", "Span", "exact_sequences"]


@dataclass(frozen=True, slots=True)
class Span:
    """The tokens `start` to `end` of a sequence: the new part of a prompt, or the completion of `step`."""

    start: int
    end: int
    step: int
    completion: bool


@dataclass(slots=True)
class ExactSequence:
    """The ids of one sequence. Tokens outside all spans are context."""

    ids: list[int] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)

    def add(self, ids: Sequence[int], step: int, *, completion: bool) -> None:
        """Append tokens as a span."""
        start = len(self.ids)
        self.ids += ids
        self.spans.append(Span(start, len(self.ids), step, completion))


def exact_sequences(trajectory: Trajectory, vocabulary: int) -> list[ExactSequence]:
    """The sequences of a recorded episode, in order. Raises InvalidInputError, with the trajectory's id and the step,
    for a step without its exact tokens, and for ids outside the vocabulary."""
    found: list[ExactSequence] = []
    said: list[int] = []
    for number, step in enumerate(trajectory.steps):
        kept, added, completion = _tokens(trajectory.id, number, step, len(said), vocabulary)
        if not found or kept < len(said):
            found.append(ExactSequence(said[:kept]))
        found[-1].add(added, number, completion=False)
        found[-1].add(completion, number, completion=True)
        said = said[:kept] + added + completion
    return found


def _tokens(
    trajectory_id: str, number: int, step: Step, said: int, vocabulary: int
) -> tuple[int, list[int], list[int]]:
    kept, added, completion = step.prompt_kept, step.prompt_added, step.completion_ids
    where = f"Step {number} of trajectory {trajectory_id}"
    if kept is None or added is None or not completion:
        raise InvalidInputError(
            f"{where} has no exact tokens, although other steps have them.",
            hint="In a recorded episode every step needs prompt_kept, prompt_added and completion_ids.",
        )
    if kept > said or not kept + len(added):
        raise InvalidInputError(f"{where}: prompt_kept is {kept}, but there are {said} tokens before this step.")
    if not all(0 <= i < vocabulary for i in (*added, *completion)):
        raise InvalidInputError(
            f"{where}: some of its ids are not in the base model's vocabulary of {vocabulary} tokens.",
            hint="Train the base that generated them.",
        )
    return kept, added, completion
