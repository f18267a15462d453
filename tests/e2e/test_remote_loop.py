"""Two rounds over an environment behind HTTP that no package and no setting but `A3T_ENV_REMOTES` names."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from a3t_contracts.schemas import Trajectory
from a3t_env.reference_server import environment_app
from tests.support.examples import load_example
from tests.support.live_server import live_server
from tests.support.mini_loop import A3T, a3t, environment, write_recipe

pytestmark = pytest.mark.timeout(1200)


def test_two_rounds_over_a_remote(tiny_model: Path, tmp_path: Path) -> None:
    data = {"split": "train", "tasks": 4, "held_out": [{"split": "test", "tasks": 2}]}
    recipe = write_recipe(tmp_path / "guess.yaml", tiny_model, environment="guess", data=data)
    with live_server(environment_app(load_example("environments/guess.py").Guess)) as url:
        done = subprocess.run(
            [*A3T, "run", str(recipe), "--json"],
            env=environment(tmp_path) | {"A3T_ENV_REMOTES": f"guess={url}"},
            capture_output=True,
            text=True,
            timeout=1000,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert [r["status"] for r in report["rounds"]] == ["finished"] * 3
    exported = a3t(tmp_path, "trajectories", "export", str(report["run"]))
    episodes = [Trajectory.model_validate_json(line) for line in exported.stdout.splitlines()]
    counts = Counter((e.round, e.kind.value) for e in episodes)
    assert counts[0, "demonstration"] == 3
    assert counts[1, "policy"] == counts[2, "policy"] == 4
    assert {e.environment for e in episodes} == {"guess"}
    assert all(e.success for e in episodes if e.kind == "demonstration")
