"""Composed episodes that begin with the agent's own failed trial, and leave it where it went wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from a3t_contracts.schemas import Step, Trajectory

from .plan import EpisodePlan, seed_of

__all__ = ["branch_points", "branched", "branches"]


def branches(plan: EpisodePlan, share: float) -> bool:
    """Whether this composed episode begins with the failed trial: a share of them does, by their seeds."""
    return random.Random(seed_of(plan.seed, "branch")).random() < share


def branched(plan: EpisodePlan, failure: Trajectory) -> EpisodePlan:
    """The plan that begins with the steps of the failed trial, up to one of its branch points, drawn by the seed."""
    points = branch_points(failure.steps)
    if failure.success or not points:
        return plan
    at = random.Random(seed_of(plan.seed, "branch point")).choice(points)
    return replace(plan, failure=failure, branch_at=at)


def branch_points(steps: Sequence[Step]) -> list[int]:
    """Where a trial may have gone wrong: the first action that repeats an earlier one after the same observation, the
    first invalid action, and the step whose least likely token was the least likely of all."""
    found = (_first_repeat(steps), _first_invalid(steps), _least_sure(steps))
    return sorted({at for at in found if at is not None})


def _first_repeat(steps: Sequence[Step]) -> int | None:
    seen: set[tuple[str, str]] = set()
    for step in steps:
        if (step.observation, step.action) in seen:
            return step.index
        seen.add((step.observation, step.action))
    return None


def _first_invalid(steps: Sequence[Step]) -> int | None:
    return next((step.index for step in steps if not step.valid), None)


def _least_sure(steps: Sequence[Step]) -> int | None:
    doubts = [(min(step.logprobs), step.index) for step in steps if step.logprobs]
    return min(doubts)[1] if doubts else None
