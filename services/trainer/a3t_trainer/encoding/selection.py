"""Selects the trajectories that an objective trains on, and the factor R(τ) of each."""

from __future__ import annotations

from typing import Any

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.react import labelled_preamble, unlabelled_preamble
from a3t_contracts.schemas import Objective, ObjectiveName
from a3t_contracts.schemas.trajectory import Trajectory

__all__ = ["check_labels", "select"]


def select(trajectories: list[Trajectory], objective: Objective) -> list[tuple[Trajectory, float]]:
    """Return the trajectories with R(τ) ≠ 0, each with its factor (paper §4).

    Trajectories with a factor of 0 are left out, because they add nothing to the gradient. R_f = 0 is therefore the
    same as supervised fine-tuning on the successes, with the same batches and the same M. Raises InvalidInputError if
    none is left.

    - contrastive: 1 for successes, R_f · failure_weight for failures
    - sft: successes only
    - raw_reward: the environment's reward; failures times failure_weight
    - label_prefix: 1 for all; each has a label before it that says how it ended
    - dpo: 1 for successes and failures of tasks that have both; the loss of a pair gives the sign
    """
    chosen = [(_labelled(t, objective), _factor(t, objective)) for t in trajectories]
    if objective.name == ObjectiveName.dpo:
        chosen = _with_partner(chosen)
    kept = [(t, factor) for t, factor in chosen if factor != 0.0]
    if not kept:
        raise InvalidInputError(
            f"Nothing to train on: the objective {objective.name} uses none of the {len(trajectories)} trajectories.",
            hint="sft needs successes; dpo needs a success and a failure of one task; raw_reward needs rewards.",
        )
    return kept


def check_labels(tokenizer: Any) -> None:
    """Raise InvalidInputError if both outcome labels have the same tokens in the base's vocabulary."""
    success, failure = (
        tokenizer.encode(labelled_preamble("", success=s), add_special_tokens=False) for s in (True, False)
    )
    if success == failure:
        raise InvalidInputError(
            "The base's tokenizer gives the labels `Outcome: success` and `Outcome: failure` the same tokens.",
            hint="label_prefix needs a base whose vocabulary has these words.",
        )


def _factor(trajectory: Trajectory, objective: Objective) -> float:
    success = trajectory.success
    match objective.name:
        case ObjectiveName.contrastive:
            return 1.0 if success else objective.failure_reward * objective.failure_weight
        case ObjectiveName.sft:
            return 1.0 if success else 0.0
        case ObjectiveName.raw_reward:
            return trajectory.reward if success else trajectory.reward * objective.failure_weight
        case ObjectiveName.label_prefix:
            return 1.0 if success else objective.failure_weight
        case ObjectiveName.dpo:
            return 1.0


def _labelled(trajectory: Trajectory, objective: Objective) -> Trajectory:
    """Return the trajectory with the label of its outcome. With other objectives than label_prefix it gets no label,
    because the trained agent will be prompted without one.
    """
    if objective.name == ObjectiveName.label_prefix:
        if trajectory.recorded:
            raise InvalidInputError(
                f"label_prefix puts a label before prompts, but the recorded trajectory {trajectory.id} has exact "
                "prompt tokens, which cannot change.",
                hint="Choose another objective.",
            )
        preamble = labelled_preamble(trajectory.preamble, success=trajectory.success)
    else:
        preamble = unlabelled_preamble(trajectory.preamble)
    return trajectory if preamble == trajectory.preamble else trajectory.model_copy(update={"preamble": preamble})


def _with_partner(chosen: list[tuple[Trajectory, float]]) -> list[tuple[Trajectory, float]]:
    tasks: dict[tuple[str, str], set[bool]] = {}
    for trajectory, _ in chosen:
        tasks.setdefault((trajectory.environment, trajectory.task_id), set()).add(trajectory.success)
    return [(t, f) for t, f in chosen if len(tasks[t.environment, t.task_id]) == 2]
