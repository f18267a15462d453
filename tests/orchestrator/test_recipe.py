"""The recipe: defaults, overrides, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_orchestrator.recipe import load_recipe, parse_recipe, recipe_hash

CONFIGS = Path(__file__).parents[2] / "configs"
MINIMAL = {"name": "x", "environment": "alfworld"}


def test_defaults_are_the_papers() -> None:
    recipe = parse_recipe(MINIMAL)
    assert (recipe.compose.p, recipe.compose.invalid_streak, recipe.compose.samples) == (0.1, 3, 40)
    assert (recipe.training.lora.rank, recipe.training.lora.alpha) == (16, 32)
    assert recipe.training.objective.failure_reward == -1
    assert recipe.training.round0.objective.name == "sft"
    assert (recipe.training.optimisation.epochs, recipe.training.round0.optimisation.epochs) == (6, 10)
    assert recipe.training.start == "restart"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda p: p.name)
def test_every_recipe_of_the_project_is_valid(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.name
    if recipe.fast:
        assert recipe_hash(load_recipe(path, fast=True)) != recipe_hash(recipe)


def test_overrides_reach_nested_keys_and_keep_the_rest() -> None:
    recipe = parse_recipe(
        MINIMAL | {"compose": {"p": 0.5, "samples": 7}}, overrides=["compose.p=0.25", "data.tasks=12", "engine=native"]
    )
    assert (recipe.compose.p, recipe.compose.samples, recipe.data.tasks, recipe.engine) == (0.25, 7, 12, "native")


def test_a_section_keeps_its_own_defaults_where_a_recipe_sets_some_of_its_keys() -> None:
    round0 = {"objective": {"normalisation": "per_token"}, "optimisation": {"max_steps": 3}}
    training = parse_recipe(MINIMAL | {"training": {"optimisation": {"max_steps": 9}, "round0": round0}}).training
    assert (training.optimisation.max_steps, training.optimisation.average_checkpoints) == (9, 4)
    assert (training.round0.objective.name, training.round0.objective.normalisation) == ("sft", "per_token")
    assert (training.round0.optimisation.epochs, training.round0.optimisation.average_checkpoints) == (10, 0)


def test_fast_profile_is_merged(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    values = MINIMAL | {"rounds": 3, "data": {"tasks": 50, "split": "a"}, "fast": {"rounds": 1, "data": {"tasks": 5}}}
    path.write_text(json.dumps(values))
    fast = load_recipe(path, fast=True)
    assert (fast.rounds, fast.data.tasks, fast.data.split) == (1, 5, "a")
    path.write_text(json.dumps(MINIMAL))
    with pytest.raises(InvalidInputError, match="has no `fast` section"):
        load_recipe(path, fast=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"compos": {}}, "compos: unknown key"),
        ({"compose": {"q": 1}}, r"compose\.q: unknown key"),
        ({"compose": {"p": 1.5}}, r"compose\.p: .*less than or equal to 1"),
        ({"compose": {"first": 9, "samples": 3}}, r"compose\.first is 9, more than compose\.samples"),
        ({"compose": {"stop_at_successes": 1}}, r"compose\.stop_at_successes needs compose\.first"),
        ({"data": {"held_out": [{"split": "train"}]}}, r"data\.held_out names 'train'"),
        ({"data": {"held_out": [{"split": "a"}, {"split": "a"}]}}, "names a split twice"),
        ({"evaluation": {"splits": ["b"]}}, r"evaluation\.splits names \['b'\]"),
        ({"rounds": 0, "round0": {"mode": "none"}}, "there is nothing to do"),
        ({"data": {"tasks": 5}, "round0": {"demonstrations": 6}}, r"round0\.demonstrations is more than data\.tasks"),
        ({"training": {"start": "continue", "lora": {"rank": 8}}}, r"training\.start is continue"),
        ({"environment": "che/ss"}, "environment"),
        ({"name": "../x"}, "name"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        parse_recipe(MINIMAL | changes)


def test_files_that_are_no_recipe(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match=r"no recipe .*missing\.yaml"):
        load_recipe(tmp_path / "missing.yaml")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: [unclosed")
    with pytest.raises(InvalidInputError, match=r"broken\.yaml is not valid YAML"):
        load_recipe(broken)
    broken.write_text("- a\n- b\n")
    with pytest.raises(InvalidInputError, match="must be a mapping"):
        load_recipe(broken)
    with pytest.raises(InvalidInputError, match="not of the form"):
        parse_recipe(MINIMAL, overrides=["rounds"])
