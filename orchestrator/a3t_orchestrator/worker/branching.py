"""Plans composed episodes that repeat the agent's own failed trial up to a step where it may have gone wrong."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from a3t_contracts.schemas import Step, Trajectory

from .plan import EpisodePlan, seed_of

__all__ = ["branch_points", "branched", "branches"]


def branches(plan: EpisodePlan, share: float) -> bool:
    """Return whether this composed episode begins with the failed trial. The seed decides, so that the fraction `share`
    of the episodes does."""
    return random.Random(seed_of(plan.seed, "branch")).random() < share


def branched(plan: EpisodePlan, failure: Trajectory) -> EpisodePlan:
    """Return the plan with the steps of the failed trial at its beginning, up to a branch point that the seed draws."""
    points = branch_points(failure.steps)
    if failure.success or not points:
        return plan
    at = random.Random(seed_of(plan.seed, "branch point")).choice(points)
    return replace(plan, failure=failure, branch_at=at)


def branch_points(steps: Sequence[Step]) -> list[int]:
    """Return the steps at which a trial may have gone wrong: the first action that repeats an earlier one after the
    same observation, the first invalid action, and the step with the least likely token of all."""
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
