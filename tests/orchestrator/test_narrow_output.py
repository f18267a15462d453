"""What `a3t` prints into a pipe and on a narrow screen: ids and headings are whole."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.store import Store, create_run, save_trajectory
from tests.support.mini_loop import A3T, environment

RUN = "a-run-with-a-long-name-20261129-1"
TASK = "valid_seen/look_at_obj_in_light-AlarmClock-None-DeskLamp-323/trial_T20190909_044715_250790"
EPISODE = Trajectory(
    id="e78582c476ed23ba227dd2c4",
    run=RUN,
    round=1,
    environment="alfworld",
    split="valid_seen",
    task_id=TASK,
    kind=TrajectoryKind.composed,
    steps=[
        Step(
            index=0,
            observation="You see a desk 1, and on it an alarmclock 1 and a book 2. " * 3,
            thought="I look for the lamp. " * 9,
            action="go to desk 1",
            source=Source.policy,
            reason_by=ReasonBy.policy,
            valid=True,
        )
    ],
    final_observation="You turn on the desklamp 1.",
    reward=1.0,
    success=True,
    stop_reason=StopReason.success,
    policy_version="a-run-with-a-long-name-20261129-1-r01",
    created_at=datetime(2026, 1, 1, tzinfo=UTC),
)
LISTS = {
    "runs": (["runs"], [RUN, "environment", "status", "begun"]),
    "trajectories": (["trajectories", "list"], [EPISODE.id, TASK, "success", "sampled", "invalid"]),
    "episode": (["trajectories", "show", EPISODE.id[:8]], [EPISODE.id, TASK, "go to desk 1", "desklamp 1."]),
    "rounds": (["runs", "show", RUN], [RUN, "round", "train", "tried"]),
}


def _a3t(home: Path, columns: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    variables = {k: v for k, v in environment(home).items() if k != "COLUMNS"}
    variables |= {} if columns is None else {"COLUMNS": columns}
    return subprocess.run([*A3T, *arguments], env=variables, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a run and an episode of it."""
    folder = tmp_path_factory.mktemp("narrow")
    store = Store(f"sqlite:///{folder / 'a3t.db'}")
    store.upgrade()
    with store.session() as session:
        create_run(session, RUN, parse_recipe({"name": "x", "environment": "alfworld"}), "", {})
        save_trajectory(session, EPISODE.id, EPISODE, phase="compose")
    store.close()
    return folder


@pytest.mark.parametrize("columns", [None, "60", "80"])
@pytest.mark.parametrize("name", LISTS)
def test_ids_and_headings_are_whole(home: Path, name: str, columns: str | None) -> None:
    arguments, words = LISTS[name]
    shown = _a3t(home, columns, *arguments)
    assert shown.returncode == 0, shown.stderr
    assert "…" not in shown.stdout
    for word in words:
        assert word in shown.stdout


@pytest.mark.parametrize("columns", [None, "30", "60"])
def test_errors_are_one_line(home: Path, columns: str | None) -> None:
    path = f"/a/folder/with/a/long/name and spaces/{TASK}.yaml"
    assert path in _a3t(home, columns, "run", path).stderr
    assert "--no-such-option-with-a-long-name-of-its-own" in (
        _a3t(home, columns, "runs", "--no-such-option-with-a-long-name-of-its-own").stderr
    )
