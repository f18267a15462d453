"""The whole loop on a few TextWorld games, with the recipe that ships and the base that it names."""

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

RECIPE = Path(__file__).parents[2] / "configs" / "textworld-tiny.yaml"
SMALL = {
    "extends": str(RECIPE),
    "rounds": 1,
    "data": {"tasks": 4, "held_out": [{"split": "heldout", "tasks": 2}]},
    "round0": {"demonstrations": 3},
    "compose": {"samples": 1, "first": 1},
    "training": {
        "optimisation": {"max_steps": 2, "threads": 1},
        "round0": {"optimisation": {"epochs": 1, "threads": 1}},
    },
    "limits": {"max_steps": 6, "max_tokens": 48},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    types = ("--type", "coin_collector", "--type", "treasure_hunter")  # won in six actions or fewer
    made = a3t(home, "data", "generate", "textworld", "--games", "4", "--heldout", "2", *types)
    assert made.returncode == 0, made.stdout + made.stderr
    return home


def test_two_agents_learn_from_textworld_games(home: Path) -> None:
    recipe = home / "mini.yaml"
    recipe.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    finished = a3t(home, "run", str(recipe), "--json", timeout=1000)
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    versions = [f"{report['run']}-r{number:02d}" for number in range(2)]
    assert [r["version"] for r in report["rounds"]] == versions
    assert RegistryReader(home / "registry").versions() == versions

    exported = a3t(home, "trajectories", "export", str(report["run"]))
    episodes = [Trajectory.model_validate_json(line) for line in exported.stdout.splitlines()]
    counts = Counter((e.round, e.kind.value) for e in episodes)
    assert counts[0, "demonstration"] == 3
    assert counts[0, "evaluation"] == counts[1, "evaluation"] == 2
    assert counts[1, "policy"] == 4
    assert {e.environment for e in episodes} == {"textworld"}
    for episode in episodes:
        if episode.kind == "demonstration":
            assert (episode.success, episode.reward) == (True, 1.0)
            assert all(s.reason_by == "actre" and s.thought and s.valid for s in episode.steps)
        assert all(s.source != "sampled" or s.thought for s in episode.steps)
