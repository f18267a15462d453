"""The whole loop on a person's own environment, by the recipe of its example: with its expert, and with nothing."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import yaml

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import Trajectory
from tests.support.mini_loop import A3T, environment

pytestmark = pytest.mark.timeout(1200)

EXAMPLE = Path(__file__).parents[2] / "examples" / "guessing_game"
FEW = {
    "extends": str(EXAMPLE / "recipe.yaml"),
    "data": {"tasks": 6, "held_out": [{"split": "test", "tasks": 3}]},
    "compose": {"samples": 3, "p": 0.9},
    "training": {
        "optimisation": {"max_steps": 2, "threads": 1},
        "round0": {"optimisation": {"max_steps": 2, "threads": 1}},
    },
}
BARE = """
from random import Random

class Bare:
    splits = {"train": 20, "test": 5}
    max_steps = 5

    def reset(self, task, seed):
        self.number = Random(task.seed).randint(1, 3)
        return "Guess."

    def step(self, action):
        done = action == str(self.number)
        return "Yes." if done else "No.", int(done), done

    def sample(self, seed):
        return str(Random(seed).randint(1, 3))
"""


def played(home: Path, folder: Path, plugins: str, recipe: dict[str, object]) -> tuple[list[str], list[Trajectory]]:
    """Run a recipe from the folder in which the environment lies: versions of the rounds, and all episodes."""
    path = home / "few.yaml"
    path.write_text(yaml.safe_dump(recipe), encoding="utf-8")
    variables = environment(home) | {"A3T_ENV_PLUGINS": plugins}

    def a3t(*arguments: str) -> str:
        done = subprocess.run(
            [*A3T, *arguments], cwd=folder, env=variables, capture_output=True, text=True, timeout=1000, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    report = json.loads(a3t("run", str(path), "--json"))
    lines = a3t("trajectories", "export", report["run"]).splitlines()
    return [r["version"] for r in report["rounds"]], [Trajectory.model_validate_json(line) for line in lines]


def test_the_example_goes_through_two_rounds_with_its_expert(tmp_path: Path) -> None:
    versions, episodes = played(tmp_path, EXAMPLE, "guessing_game:GuessingGame", FEW)
    assert RegistryReader(tmp_path / "registry").versions() == versions
    assert len(versions) == 3
    counts = Counter((e.round, e.kind.value) for e in episodes)
    assert counts[0, "demonstration"] == 3
    assert counts[1, "policy"] == counts[2, "policy"] == 6
    assert {e.environment for e in episodes} == {"guessing_game"}
    assert all(e.success for e in episodes if e.kind == "demonstration")
    sampled = [s for e in episodes for s in e.steps if s.source == "sampled"]
    assert sampled
    assert all(s.thought and s.reason_by == "actre" and s.valid for s in sampled)


def test_an_environment_without_expert_and_list_of_actions_begins_with_exploring(tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(BARE)
    recipe = FEW | {"environment": "bare", "round0": {"mode": "none", "evaluate_base": False}}
    versions, episodes = played(tmp_path, tmp_path, "bare:Bare", recipe)
    assert len(versions) == 2
    won = [e for e in episodes if e.kind == "composed" and e.success]
    assert won
    assert {e.round for e in won} <= {1, 2}
    assert not [e for e in episodes if e.kind == "demonstration"]
