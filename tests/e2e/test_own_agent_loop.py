"""Two rounds on what a person's own agent plays: the example's agent and recipe, the shipped base, real services."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import Trajectory
from a3t_orchestrator.embedded.state import read_state
from tests.support.mini_loop import A3T, environment

pytestmark = pytest.mark.timeout(900)

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_agent"
FEW = {
    "extends": str(EXAMPLE / "recipe.yaml"),
    "recorded": {"episodes": 27, "wait_seconds": 600},
    "training": {"optimisation": {"max_steps": 2, "threads": 1}},
}


def policy_url(home: Path, run: subprocess.Popen[str]) -> str:
    """Address of the policy service that the run has started."""
    until = time.monotonic() + 120
    while time.monotonic() < until and run.poll() is None:
        state = read_state(home)
        if state is not None and state.ready:
            return state.urls["policy"]
        time.sleep(0.2)
    raise AssertionError(f"the run started no services: {run.communicate()}")


def test_an_agent_that_knows_the_openai_client_alone_is_trained_for_two_rounds(tmp_path: Path) -> None:
    recipe = tmp_path / "few.yaml"
    recipe.write_text(yaml.safe_dump(FEW), encoding="utf-8")
    variables = environment(tmp_path)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": variables}
    with subprocess.Popen([*A3T, "run", str(recipe), "--json"], **pipes) as run:  # type: ignore[call-overload]
        agent = subprocess.Popen([sys.executable, str(EXAMPLE / "agent.py"), policy_url(tmp_path, run)], **pipes)  # type: ignore[call-overload]
        try:
            out, err = run.communicate(timeout=800)
        finally:
            agent.kill()
            played, complaints = agent.communicate()
    assert run.returncode == 0, err + complaints
    report = json.loads(out)
    versions = [row["version"] for row in report["rounds"]]
    assert RegistryReader(tmp_path / "registry").versions() == versions
    assert len(versions) == 2
    assert "Waiting for 27 recorded episodes of guess-my-number, split train, played by a3t/tiny" in err
    exported = subprocess.run(
        [*A3T, "trajectories", "export", report["run"]], env=variables, capture_output=True, text=True, check=True
    )
    episodes = [Trajectory.model_validate_json(line) for line in exported.stdout.splitlines()]
    assert {(e.round, e.policy_version) for e in episodes} == {(1, "a3t/tiny"), (2, versions[0])}
    assert len({e.metadata["recorded"] for e in episodes}) == len(episodes) >= 54
    assert all(step.prompt_added and step.completion_ids for e in episodes for step in e.steps)
    assert f"['{versions[0]}']" in played, "the agent asked for the live model"
    assert report["rounds"][0]["training_successes"] >= 1
