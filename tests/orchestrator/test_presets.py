"""`extends`: presets and files, what wins, what is refused, and that no recipe changed when it began to use presets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_orchestrator.recipe import load_recipe, preset_names

CONFIGS = Path(__file__).parents[2] / "configs"
WRITTEN_OUT = Path(__file__).parent / "written_out"
MINIMAL = {"name": "x", "environment": "alfworld"}


def write(path: Path, **values: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values))
    return path


@pytest.mark.parametrize("path", sorted(WRITTEN_OUT.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_recipe_with_presets_is_the_recipe_written_out(path: Path) -> None:
    recipe = load_recipe(CONFIGS / path.name)
    for fast in [False, True] if recipe.fast else [False]:
        ours, written = (load_recipe(p, fast=fast).model_dump() for p in (CONFIGS / path.name, path))
        assert ours == written


def test_every_recipe_that_extends_something_is_written_out() -> None:
    built = {p.name for p in CONFIGS.glob("*.yaml") if "extends" in yaml.safe_load(p.read_text())}
    assert built == {p.name for p in WRITTEN_OUT.glob("*.yaml")}


def test_mappings_are_merged_and_lists_replaced(tmp_path: Path) -> None:
    write(
        tmp_path / "below/base.yaml",
        **MINIMAL,
        rounds=5,
        compose={"p": 0.2, "samples": 7},
        data={"types": ["a", "b"]},
        fast={"rounds": 2},
    )
    path = write(
        tmp_path / "mine.yaml", extends="below/base.yaml", compose={"samples": 9}, data={"types": ["c"]}, name="mine"
    )
    recipe = load_recipe(path)
    assert (recipe.name, recipe.rounds, recipe.compose.p, recipe.compose.samples) == ("mine", 5, 0.2, 9)
    assert recipe.data.types == ["c"]
    assert load_recipe(path, fast=True).rounds == 2


def test_the_later_of_two_presets_wins_and_the_recipe_over_both(tmp_path: Path) -> None:
    write(tmp_path / "late.yaml", training={"lora": {"rank": 8, "dropout": 0.1}, "round0": {"lora": {"rank": 8}}})
    own = {"training": {"lora": {"dropout": 0.2}}}
    recipe = load_recipe(write(tmp_path / "r.yaml", extends=["tiny-agent", "late.yaml"], **MINIMAL, **own))
    assert (recipe.training.lora.rank, recipe.training.lora.dropout, recipe.training.lora.alpha) == (8, 0.2, 32)


def test_presets_hold_only_keys_of_a_recipe(tmp_path: Path) -> None:
    assert {"mistral-7b", "tiny-agent"} <= set(preset_names())
    for name in preset_names():
        assert load_recipe(write(tmp_path / "r.yaml", extends=name, **MINIMAL)).name == "x"


def test_circles_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", extends="b.yaml", **MINIMAL)
    write(tmp_path / "b.yaml", extends="a.yaml")
    with pytest.raises(InvalidInputError, match=r"leads in a circle: .*a\.yaml → .*b\.yaml → .*a\.yaml"):
        load_recipe(tmp_path / "a.yaml")


@pytest.mark.parametrize("name", ["tiny_agent", "none", "../x"])
def test_a_name_without_a_file_is_told_with_the_file_that_names_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(NotFoundError, match=r"r\.yaml: extends names"):
        load_recipe(write(tmp_path / "r.yaml", extends=name, **MINIMAL))


@pytest.mark.parametrize("value", [5, {"a": 1}, [1], [""], None])
def test_extends_is_a_name_or_several(tmp_path: Path, value: object) -> None:
    with pytest.raises(InvalidInputError, match=r"r\.yaml: extends must be"):
        load_recipe(write(tmp_path / "r.yaml", extends=value, **MINIMAL))


def test_an_error_names_the_file_that_wrote_the_key(tmp_path: Path) -> None:
    write(tmp_path / "base.yaml", compose={"q": 1}, training={"lora": {"rank": "big"}})
    path = write(tmp_path / "r.yaml", extends="base.yaml", **MINIMAL, limits={"chunk": 0})
    with pytest.raises(InvalidInputError) as refused:
        load_recipe(path, overrides=["rounds=-1"])
    message = str(refused.value)
    assert "base.yaml: compose.q: unknown key; training.lora.rank:" in message
    assert "r.yaml: limits.chunk:" in message
    assert "--set: rounds:" in message
