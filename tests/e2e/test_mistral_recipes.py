"""Dry run of the 7B recipes: every stage, as they are but for the model's size, the numbers, and who starts round 0."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.mini_loop import a3t, make_home

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {
    "round0.mode": "demonstrations",  # a model of random weights solves nothing by itself
    "round0.demonstrations": 2,
    "compose.samples": 3,
    "compose.annotator": "template",  # no LLM here
    "rounds": 1,
    "limits.max_steps": 6,
    "limits.max_tokens": 8,
    "training.optimisation.max_steps": 4,
    "training.round0.optimisation.max_steps": 2,
    "training.optimisation.trajectories_per_step": 2,
    "training.round0.optimisation.trajectories_per_step": 2,
    "data.tasks": 3,
}
SPLITS = {"alfworld": ("generated_train", "generated_heldout"), "webshop": ("train", "test")}


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("environment", ["alfworld", "webshop"])
def test_a_recipe_goes_through_every_stage(environment: str, tiny_model: Path, tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", games=6) if environment == "alfworld" else tmp_path / "home"
    if environment == "webshop":
        made = a3t(home, "data", "generate", "webshop", "--products", "1000")
        assert made.returncode == 0, made.stderr
    train, held_out = SPLITS[environment]
    changes = SMALL | {
        "base_model": str(tiny_model),
        "data.split": train,
        "data.held_out": f"[{{split: {held_out}, tasks: 2}}]",
    }
    sets = [word for key, value in changes.items() for word in ("--set", f"{key}={value}")]
    done = a3t(home, "run", str(CONFIGS / f"{environment}-mistral-7b.yaml"), *sets, "--json", timeout=800)
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout)
    assert report["status"] == "finished"
    first, last = report["rounds"]
    assert first["training_successes"] > 0
    assert first["version"] != last["version"]
    assert last["evaluations"][0]["single"]["n"] == 2
    assert report["recipe"]["training"]["lora"]["quantisation"] == "nf4"
    assert report["recipe"]["training"]["optimisation"]["average_checkpoints"] == 4
