"""The factor of each turn in the loss. It is below 1 for turns that do not help a success, and 0 for turns with
made-up observations.
"""

from __future__ import annotations

import re
from itertools import pairwise

from a3t_contracts.react import names_purpose, turn_end
from a3t_contracts.schemas import Objective, ObjectiveName
from a3t_contracts.schemas.trajectory import Step, Trajectory

__all__ = ["made_up_turns", "repeated_turns", "turn_weights"]

_END = re.compile(r"\.(?:\s|$)|\n")
"""End of a sentence in an observation; the point in "$12.40" is none."""


def turn_weights(trajectory: Trajectory, objective: Objective, reward: float) -> list[float]:
    """Return a factor for each turn of a trajectory that is trained with the factor `reward`.

    Turns with a made-up observation get 0 if training would make them more likely, that is, if `reward` is positive,
    and in the successes of dpo. If training makes them less likely, they keep their factor. Other factors below 1 apply
    only to turns of successes.
    """
    imitated = trajectory.success if objective.name == ObjectiveName.dpo else reward > 0
    made_up = made_up_turns(trajectory) if imitated else [False] * len(trajectory.steps)
    return [0.0 if lie else weight for lie, weight in zip(made_up, _imitation(trajectory, objective), strict=True)]


def made_up_turns(trajectory: Trajectory) -> list[bool]:
    """Whether the policy invented an observation in each turn. Turns are cut before it; older versions stored it in
    the completion. Turns of recorded agents never count.
    """
    if trajectory.recorded:
        return [step.made_up_observation for step in trajectory.steps]
    ends = (turn_end(step.completion or "") for step in trajectory.steps)
    return [
        step.made_up_observation or (end is not None and end.made_up_observation)
        for step, end in zip(trajectory.steps, ends, strict=True)
    ]


def _imitation(trajectory: Trajectory, objective: Objective) -> list[float]:
    """The factors of a success's turns; 1 for all turns of a failure.

    `invalid_weight` if the action was not understood, otherwise `repeat_weight` if the turn only repeats; times
    `purposeless_weight` if its reason names no purpose. The last turn always has a purpose, because it brought the
    success.
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
    """Return `purposeless_weight` if the reason names no purpose, otherwise 1.

    For reasons by ActRe, the step says whether they name one. For a policy's thoughts, and in episodes of older
    versions, the first words of the thought decide (`NO_PURPOSE`).
    """
    if (step.thought or "").startswith(tuple(objective.skip_thoughts)):
        return 0.0
    purpose = names_purpose(step.thought) if step.purpose is None else step.purpose
    return 1.0 if purpose else objective.purposeless_weight


def repeated_turns(trajectory: Trajectory) -> list[bool]:
    """Turns that repeat an earlier action and whose observation contains nothing new, such as going in circles or
    waiting.

    A container that was opened in the meantime contains nothing new when it is visited again. A turn does not count as
    repeated if it moved the agent (its observation differs from the one before) to a place where another action then
    had a new outcome, for example on the way back to the lamp. Moving on from that place is not such an action. The
    last turn never counts as repeated.
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
    """The action up to the first blank: "go", or "click[buy" of "click[buy now]", so that different clicks are
    different verbs."""
    return step.action.partition(" ")[0]
