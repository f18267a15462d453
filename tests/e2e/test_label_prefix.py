"""An agent that label_prefix trained acts behind the label of success, token for token as it was trained."""

from __future__ import annotations

from typing import Any

import pytest

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.react import History, labelled_preamble
from a3t_contracts.schemas import EnvironmentInfo, Objective, Trajectory
from a3t_orchestrator.recipe import Recipe, parse_recipe
from a3t_orchestrator.store import WorkItem
from a3t_orchestrator.worker.plan import plan_episode
from a3t_policy.text import TextCodec
from a3t_trainer.encoding.selection import select
from a3t_trainer.encoding.sequences import encode_all
from a3t_trainer.training.model import load_tokenizer
from tests.trainer.conftest import make_trajectory

BASE = "a3t/tiny"
LABEL = "Outcome: success\n\n"
ENVIRONMENT = EnvironmentInfo(
    name="alfworld", engines=["native"], splits={}, task_types=[], max_steps=50, example="Observation: an example\n"
)


def recipe(mode: str = "demonstrations", *, later: str = "label_prefix", first: str = "sft") -> Recipe:
    training: dict[str, Any] = {"objective": {"name": later}, "round0": {"objective": {"name": first}}}
    return parse_recipe({"environment": "alfworld", "name": "r", "round0": {"mode": mode}, "training": training})


def preamble(of: Recipe, number: int, phase: str, kind: str = "policy") -> str:
    item = WorkItem(
        id="0" * 24,
        run="r",
        round=number,
        phase=phase,
        kind=kind,
        split="train",
        task_id="t",
        task_type="",
        sample=0,
        policy_version="v",
    )
    return plan_episode(of, item, ENVIRONMENT).preamble


@pytest.mark.parametrize(
    ("number", "phase", "kind", "label"),
    [
        (0, "demonstrate", "demonstration", ""),
        (0, "evaluate", "evaluation", ""),
        (1, "rollout", "policy", ""),
        (1, "compose", "composed", ""),
        (1, "evaluate", "evaluation", LABEL),
        (2, "rollout", "policy", LABEL),
        (2, "compose", "composed", LABEL),
        (2, "evaluate", "evaluation", LABEL),
    ],
)
def test_the_label_stands_before_whom_label_prefix_trained(number: int, phase: str, kind: str, label: str) -> None:
    assert preamble(recipe(), number, phase, kind) == label
    assert preamble(recipe(later="contrastive"), number, phase, kind) == ""


def test_round_0_and_runs_without_one() -> None:
    labels = recipe(first="label_prefix", later="sft")
    assert preamble(labels, 0, "evaluate", "evaluation") == preamble(labels, 1, "compose", "composed") == LABEL
    assert preamble(labels, 1, "evaluate", "evaluation") == preamble(labels, 2, "rollout") == ""
    assert preamble(labels, 0, "evaluate_base", "evaluation") == "", "the base was trained on no labels"
    none = recipe("none")
    assert preamble(none, 1, "rollout") == "", "the base plays round 1"
    assert preamble(none, 1, "evaluate", "evaluation") == LABEL
    prompted = recipe("few_shot")
    assert "Outcome" not in preamble(prompted, 0, "few_shot")
    assert preamble(prompted, 2, "rollout") == LABEL


def test_prompts_are_the_beginning_of_what_is_trained() -> None:
    codec = TextCodec.load(resolve_base_model(BASE))
    success, failure = _collected(success=True), _collected(success=False)
    objective = Objective.model_validate({"name": "label_prefix"})
    chosen = select([success, failure], objective)
    good, bad = encode_all(load_tokenizer(resolve_base_model(BASE)), chosen, objective, 4096)
    acting = History(
        environment="alfworld",
        observation=success.steps[0].observation,
        preamble=preamble(recipe(), 2, "rollout"),
    )
    prompt, text = codec.history(acting)
    assert text.startswith(LABEL)
    assert good.ids[: len(prompt)].tolist() == prompt
    failed = acting.model_copy(update={"preamble": labelled_preamble("", success=False)})
    other, _ = codec.history(failed)
    assert bad.ids[: len(other)].tolist() == other != prompt


def _collected(*, success: bool) -> Trajectory:
    """As an agent behind the label of success would have made it, however it ended."""
    return make_trajectory(success=success, preamble=preamble(recipe(), 2, "rollout"))
