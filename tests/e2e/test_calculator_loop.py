"""The whole loop where actions cannot be listed: a few calculator tasks, with the recipe that ships."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import yaml

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import Trajectory
from tests.support.mini_loop import a3t

pytestmark = pytest.mark.timeout(1200)

RECIPE = Path(__file__).parents[2] / "configs" / "calculator-tiny.yaml"
FEW = {
    "extends": str(RECIPE),
    "data": {"tasks": 6, "held_out": [{"split": "test", "tasks": 3}]},
    "round0": {"demonstrations": 3, "evaluate_base": False},
    "compose": {"samples": 3, "p": 0.9},
    "training": {
        "optimisation": {"max_steps": 2, "threads": 1},
        "round0": {"optimisation": {"max_steps": 4, "threads": 1}},
    },
    "limits": {"max_steps": 4},
}


@pytest.fixture(scope="module")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> list[Trajectory]:
    """Every episode of a run of two rounds after round 0."""
    home = tmp_path_factory.mktemp("home")
    recipe = home / "few.yaml"
    recipe.write_text(yaml.safe_dump(FEW), encoding="utf-8")
    finished = a3t(home, "run", str(recipe), "--json", timeout=1000)
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    assert len(report["rounds"]) == 3
    kept = {r["version"] for r in report["rounds"]}  # a round without any success keeps its agent
    assert set(RegistryReader(home / "registry").versions()) == kept
    lines = a3t(home, "trajectories", "export", str(report["run"])).stdout.splitlines()
    return [Trajectory.model_validate_json(line) for line in lines]


def test_a_run_goes_through_two_rounds_without_data(episodes: list[Trajectory]) -> None:
    counts = Counter((e.round, e.kind.value) for e in episodes)
    assert counts[0, "demonstration"] == 3
    assert counts[1, "policy"] == counts[2, "policy"] == 6
    assert counts[0, "evaluation"] == 3
    assert {e.environment for e in episodes} == {"calculator"}
    shown = [e for e in episodes if e.kind == "demonstration"]
    assert all(e.success and e.steps[-1].action.startswith("= ") for e in shown)


def test_sampled_actions_are_the_environments_own_and_explained(episodes: list[Trajectory]) -> None:
    sampled = [s for e in episodes if e.kind == "composed" for s in e.steps if s.source == "sampled"]
    assert sampled
    assert all(s.valid and s.thought and s.reason_by == "actre" for s in sampled)
