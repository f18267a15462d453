"""The factor of each turn in the loss: less for turns that add nothing to a success, 0 for made-up observations."""

from __future__ import annotations

import re
from itertools import pairwise

from a3t_contracts.react import names_purpose, turn_end
from a3t_contracts.schemas import Objective, ObjectiveName
from a3t_contracts.schemas.trajectory import Step, Trajectory

__all__ = ["made_up_turns", "repeated_turns", "turn_weights"]

_END = re.compile(r"\.(?:\s|$)|\n")
"""Where a sentence of an observation ends; the point in "$12.40" is none."""


def turn_weights(trajectory: Trajectory, objective: Objective, reward: float) -> list[float]:
    """A factor for every turn of a trajectory that is trained with the factor `reward`.

    0 for turns with a made-up observation wherever they would be made more likely: with a positive factor, and in the
    successes of dpo. In what is pushed down they stay. Beside them only a success has turns that count less.
    """
    imitated = trajectory.success if objective.name == ObjectiveName.dpo else reward > 0
    made_up = made_up_turns(trajectory) if imitated else [False] * len(trajectory.steps)
    return [0.0 if lie else weight for lie, weight in zip(made_up, _imitation(trajectory, objective), strict=True)]


def made_up_turns(trajectory: Trajectory) -> list[bool]:
    """Turns in which the policy went on with an observation of its own: cut in front of it, or, as older versions
    stored them, with the observation in the completion."""
    ends = (turn_end(step.completion or "") for step in trajectory.steps)
    return [
        step.made_up_observation or (end is not None and end.made_up_observation)
        for step, end in zip(trajectory.steps, ends, strict=True)
    ]


def _imitation(trajectory: Trajectory, objective: Objective) -> list[float]:
    """The factors of a success's turns; 1 throughout in a failure.

    `invalid_weight` where the action was not understood, otherwise `repeat_weight` where a turn only repeats; times
    `purposeless_weight` where its reason names no purpose. The last turn always has a purpose: it brought the success.
    """
    steps = trajectory.steps
    if not trajectory.success:
        return [1.0] * len(steps)
    purpose = [*(_purpose_weight(step, objective) for step in steps[:-1]), 1.0]
    return [
        factor * (objective.invalid_weight if not step.valid else objective.repeat_weight if again else 1.0)
        for step, again, factor in zip(steps, repeated_turns(trajectory), purpose, strict=True)
    ]


def _purpose_weight(step: Step, objective: Objective) -> float:
    """What ActRe said of its reason counts. Of a policy's thought, and in episodes of older versions, nobody said
    anything: there the beginning of the thought tells (`NO_PURPOSE`)."""
    if (step.thought or "").startswith(tuple(objective.skip_thoughts)):
        return 0.0
    purpose = names_purpose(step.thought) if step.purpose is None else step.purpose
    return 1.0 if purpose else objective.purposeless_weight


def repeated_turns(trajectory: Trajectory) -> list[bool]:
    """Turns whose action had been taken before and whose outcome says nothing that the episode had not said: going in
    circles, waiting. A place that was opened meanwhile says nothing new when it is visited again.

    A turn that moved the agent (its outcome differs from what it saw before) to where something else was then done with
    a new outcome is none: the way back to the lamp, say. Moving on from there is nothing else. Nor is the last turn.
    """
    steps = trajectory.steps
    outcomes = [step.observation for step in steps[1:]] + [trajectory.final_observation]
    told = _sentences(steps[0].observation)
    taken: set[str] = set()
    known = []
    for step, outcome in zip(steps, outcomes, strict=True):
        said = _sentences(outcome)
        known.append(step.action in taken and said <= told)
        taken.add(step.action)
        told |= said
    led_on = [
        not known[turn + 1] and outcomes[turn] != step.observation and _verb(step) != _verb(after)
        for turn, (step, after) in enumerate(pairwise(steps))
    ]
    return [again and not used for again, used in zip(known, [*led_on, True], strict=True)]


def _sentences(observation: str) -> set[str]:
    return {part.strip() for part in _END.split(observation)}


def _verb(step: Step) -> str:
    """What stands before the first blank: "go", and "click[buy" of "click[buy now]", where each click is its own."""
    return step.action.partition(" ")[0]
