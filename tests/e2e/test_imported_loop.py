"""Files of others in, an agent out: `a3t import`, and a run whose round 0 learns from what it took in."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import Trajectory
from tests.support.mini_loop import a3t, make_home, write_recipe
from tests.support.tiny_model import make_tiny_model

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_home(tmp_path_factory.mktemp("home"), games=6)


def played(home: Path, run: str) -> list[Trajectory]:
    exported = a3t(home, "export", run)
    assert exported.returncode == 0, exported.stderr
    return [Trajectory.model_validate_json(line) for line in exported.stdout.splitlines()]


def foreign(number: int, episode: Trajectory, *, reasons: bool) -> dict[str, Any]:
    """An episode as AgentTraj has it, with its instruction and the agent's consent in front; the last one as a log of
    bare actions in a chat of OpenAI's form."""
    task = f"/home/somebody/data/json_2.1.1/{episode.task_id}/game.tw-pddl"
    if not reasons:
        chat = [{"role": "user", "content": step.observation} for step in episode.steps]
        acts = [{"role": "assistant", "content": step.action} for step in episode.steps]
        return {"messages": [m for pair in zip(chat, acts, strict=True) for m in pair], "gamefile": task}
    told = [("human", "You are in a house."), ("gpt", "OK. I'll follow your instructions.")]
    for step in episode.steps:
        told += [("human", step.observation), ("gpt", f"Thought:\n{step.thought}\n\nAction:\n{step.action}")]
    turns = [{"from": who, "loss": who == "gpt" and number > 0, "value": text} for who, text in told]
    return {"item_id": f"alfworld_{number}", "conversations": turns, "game_file": task, "task_id": task}


def test_round_0_is_trained_on_a_file_of_others(home: Path, tmp_path: Path) -> None:
    """The games are shown by the expert first, and written as others would have written them."""
    model = make_tiny_model(tmp_path / "base")
    shown = write_recipe(tmp_path / "shown.yaml", model, name="shown", rounds=0)
    assert a3t(home, "run", str(shown), "--name", "shown", timeout=600).returncode == 0
    demonstrations = [one for one in played(home, "shown") if one.kind == "demonstration" and one.success]
    assert len(demonstrations) == 3
    records = [foreign(n, one, reasons=n > 0) for n, one in enumerate(demonstrations)]
    (tmp_path / "theirs.json").write_text(json.dumps(records, indent=1), encoding="utf-16")

    took = a3t(home, "import", str(tmp_path / "theirs.json"), "--environment", "alfworld", "--json")
    assert took.returncode == 0, took.stderr
    told = json.loads(took.stdout)
    assert (told["episodes"], told["without_reasons"]) == (3, 1)
    assert told["formats"] == {"messages": 1, "conversations": 2}

    recipe = write_recipe(
        tmp_path / "mine.yaml", model, name="mine", rounds=0, round0={"mode": "imported", "source": "theirs"}
    )
    finished = a3t(home, "run", str(recipe), "--json", timeout=600)
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    version = f"{report['run']}-r00"
    assert [r["version"] for r in report["rounds"]] == [version]
    assert version in RegistryReader(home / "registry").versions()

    episodes = played(home, report["run"])
    learnt = [one for one in episodes if one.kind == "demonstration"]
    assert sorted(one.task_id for one in learnt) == sorted(one.task_id for one in demonstrations)
    actions = {one.task_id: [step.action for step in one.steps] for one in demonstrations}
    for one in learnt:
        assert [step.action for step in one.steps] == actions[one.task_id]
        assert all(step.thought and step.source == "imported" for step in one.steps)
        assert one.preamble == ""
    by_actre = [one.task_id for one in learnt if all(step.reason_by == "actre" for step in one.steps)]
    assert by_actre == [demonstrations[0].task_id], "the log without reasons was given some"
    trained_on = a3t(home, "export", report["run"], "--trained-in", "0", "--format", "messages")
    assert len(trained_on.stdout.splitlines()) == 3
    evaluated = [one for one in episodes if one.kind == "evaluation" and one.split == "generated_heldout"]
    assert {one.policy_version for one in evaluated} == {version}
    assert len(evaluated) == 3
