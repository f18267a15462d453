"""Recorded episodes are trained on the ids that were sent and generated, each completion once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import Objective, Optimisation
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.encoding.collate import StepScale
from a3t_trainer.encoding.plan import StepPlan, build_units, micro_batches, single_units
from a3t_trainer.encoding.selection import select
from a3t_trainer.encoding.sequences import Part, TokenSequence, encode_all
from tests.trainer.conftest import make_trajectory
from tests.trainer.jobs_support import request, run


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def recorded(
    calls: list[tuple[list[int], list[int]]], task: str = "task-0", *, success: bool = True, texts: bool = False
) -> Trajectory:
    """A trajectory of (prompt, completion) ids, stored by what each prompt shares with the tokens before it."""
    made = make_trajectory(task, steps=len(calls), success=success, thought=texts)
    said: list[int] = []
    for step, (prompt, completion) in zip(made.steps, calls, strict=True):
        kept = next(
            (i for i, (a, b) in enumerate(zip(said, prompt, strict=False)) if a != b), min(len(said), len(prompt))
        )
        step.prompt_kept, step.prompt_added, step.completion_ids = kept, prompt[kept:], completion
        step.completion = "12" if not texts else None
        said = prompt + completion
    return made


CONTINUED = [([1, 2, 3], [4, 5]), ([1, 2, 3, 4, 5, 6], [7])]
CUT = [([1, 2, 3], [4, 5]), ([1, 2, 3, 4, 9], [7, 8]), ([1, 2, 3, 4, 9, 7, 8, 6], [5])]


def encoded(tokenizer: Any, trajectory: Trajectory, **objective: Any) -> list[TokenSequence]:
    return encode_all(tokenizer, [(trajectory, 1.0)], Objective(**objective), 100)


def test_prompts_that_continue_are_one_sequence(tokenizer: Any) -> None:
    (sequence,) = encoded(tokenizer, recorded(CONTINUED))
    assert sequence.ids.tolist() == [1, 2, 3, 4, 5, 6, 7]
    o, a = Part.observation, Part.action
    assert sequence.parts.tolist() == [o, o, o, a, a, o, a]
    assert sequence.weights.tolist() == [0, 1, 1, 1, 1, 1, 1]


def test_a_prompt_that_does_not_continue_begins_a_sequence_and_nothing_is_trained_twice(tokenizer: Any) -> None:
    first, second = encoded(tokenizer, recorded(CUT), observation_weight=0)
    assert first.ids.tolist() == [1, 2, 3, 4, 5]
    assert first.weights.tolist() == [0, 0, 0, 1, 1]
    assert second.ids.tolist() == [1, 2, 3, 4, 9, 7, 8, 6, 5]
    assert second.weights.tolist() == [0, 0, 0, 0, 0, 1, 1, 0, 1]
    assert second.parts[:4].tolist() == [Part.context] * 4
    assert (first.reward, first.id) == (second.reward, second.id)


def test_a_thought_in_front_of_an_action_line_is_a_thought(tokenizer: Any) -> None:
    text = "Thought: I look.\nAction: 12\n"
    trajectory = recorded([([1, 2], tokenizer.encode(text, add_special_tokens=False))], texts=True)
    trajectory.steps[0].completion = text
    (sequence,) = encoded(tokenizer, trajectory, thought_weight=0, observation_weight=0)
    assert tokenizer.decode(sequence.ids[np.flatnonzero(sequence.weights)]) == "Action: 12\n"


def test_a_recorded_agent_may_write_the_word_observation(tokenizer: Any) -> None:
    trajectory = recorded(CONTINUED)
    trajectory.steps[0].completion = "Observation: I see."
    (sequence,) = encoded(tokenizer, trajectory)
    assert sequence.weights[3] == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompt_added": None}, "Step 1 of .* has no exact tokens"),
        ({"completion_ids": None}, "Step 1 of .* has no exact tokens"),
        ({"prompt_kept": 6}, "prompt_kept is 6, but there are 5 tokens"),
        ({"completion_ids": [10**6]}, "not in the base model's vocabulary"),
    ],
)
def test_what_is_not_exact_is_refused(tokenizer: Any, change: dict[str, Any], message: str) -> None:
    trajectory = recorded(CONTINUED)
    trajectory.steps[1] = trajectory.steps[1].model_copy(update=change)
    with pytest.raises(InvalidInputError, match=message):
        encoded(tokenizer, trajectory)


def test_objectives_that_need_other_prompts_or_single_sequences_are_refused(tokenizer: Any) -> None:
    with pytest.raises(InvalidInputError, match="dpo needs one"):
        encoded(tokenizer, recorded(CUT), name="dpo")
    with pytest.raises(InvalidInputError, match="exact prompt tokens"):
        select([recorded(CUT)], Objective.model_validate({"name": "label_prefix"}))


@pytest.mark.parametrize("normalisation", ["as_printed", "per_token", "per_trajectory"])
def test_a_trajectory_counts_once_however_many_sequences_it_has(tokenizer: Any, normalisation: Any) -> None:
    """The coefficients of its completions are those that it would have in one sequence."""
    split, whole = recorded(CUT), recorded(CONTINUED, "task-1")
    sequences = [s for t in (split, whole) for s in encoded(tokenizer, t, observation_weight=0)]
    units = build_units(sequences)
    assert [len(unit) for unit in units] == [2, 1]
    plan = StepPlan.of(units, Optimisation(trajectories_per_step=2), 0)
    assert plan.steps_per_epoch == 1
    scale = StepScale.of(normalisation, plan.step(0))
    assert (scale.trajectories, scale.tokens) == (2, 5 + 3)
    of_split = {"as_printed": 1 / 2, "per_token": 1 / 8, "per_trajectory": 1 / (2 * 5)}
    assert [scale.factor(s) for s in sequences[:2]] == [of_split[normalisation]] * 2
    assert len(micro_batches(single_units(units), 9, packing=True)) > 1


def test_a_job_trains_on_recorded_and_rendered_episodes(tiny_model: Path, tmp_path: Path) -> None:
    trajectories = [recorded(CUT), recorded(CONTINUED, "task-1"), recorded(CUT, "task-1", success=False)]
    manifest, recorder = run(tmp_path, request(tiny_model), [*trajectories, make_trajectory("task-2")])
    assert manifest.data["trained_trajectories"] == 4
    assert manifest.data["trained_failures"] == 1
    losses = [r.loss for r in recorder.readings if r.loss is not None]
    assert losses
    assert all(np.isfinite(losses))
