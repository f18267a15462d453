"""Which turns of a success brought it nothing, and how much of them is imitated."""

from __future__ import annotations

from a3t_contracts.schemas.job import Objective
from a3t_contracts.schemas.trajectory import Trajectory

__all__ = ["repeated_turns", "turn_weights"]


def turn_weights(trajectory: Trajectory, objective: Objective) -> list[float]:
    """A factor for every turn: 0 where the thought says no purpose (`skip_thoughts`; the last turn is exempt),
    `invalid_weight` where the action was not understood, `repeat_weight` where a turn only repeats, 1 otherwise and in
    failures."""
    steps = trajectory.steps
    if not trajectory.success:
        return [1.0] * len(steps)
    aimless = [(step.thought or "").startswith(tuple(objective.skip_thoughts)) for step in steps[:-1]]
    return [
        0.0 if skip else objective.invalid_weight if not step.valid else objective.repeat_weight if again else 1.0
        for step, again, skip in zip(steps, repeated_turns(trajectory), [*aimless, False], strict=True)
    ]


def repeated_turns(trajectory: Trajectory) -> list[bool]:
    """Turns whose action had been taken before with the same outcome: going in circles, waiting.

    A turn that moved the agent (its outcome differs from what it saw before) to where something new happened next is
    none: the way back to the lamp, say. Nor is the last turn.
    """
    steps = trajectory.steps
    outcomes = [step.observation for step in steps[1:]] + [trajectory.final_observation]
    pairs = [(step.action, outcome) for step, outcome in zip(steps, outcomes, strict=True)]
    known = [pair in pairs[:turn] for turn, pair in enumerate(pairs)]
    return [
        again and turn + 1 < len(steps) and not (not known[turn + 1] and outcomes[turn] != steps[turn].observation)
        for turn, again in enumerate(known)
    ]
