"""Killing parts of the system in the middle of a round loses nothing and repeats nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from a3t_contracts.schemas import trajectory_id
from a3t_orchestrator.embedded import StackState, read_state
from a3t_orchestrator.store import Store, TrajectoryRow, WorkItem
from tests.support.mini_loop import A3T, a3t, environment, make_home, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return make_home(tmp_path / "home")


@pytest.fixture
def recipe(home: Path, tiny_model: Path) -> Path:
    limits = {"max_steps": 20, "max_invalid": 3, "max_tokens": 10, "chunk": 4, "concurrency": 2}
    return write_recipe(home / "mini.yaml", tiny_model, rounds=1, limits=limits)


@pytest.fixture
def running(home: Path, recipe: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (home / "run.log").open("wb") as log:
        process = subprocess.Popen([*A3T, "run", str(recipe)], env=environment(home), stdout=log, stderr=log)
    yield process
    process.kill()
    process.wait()


def until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for something to become true."""
    Retrying(retry=retry_if_result(lambda met: not met), stop=stop_after_delay(seconds), wait=wait_fixed(0.1))(
        condition
    )


def in_the_middle_of(home: Path, phase: str) -> Callable[[], bool]:
    """Whether some of a phase's episodes of round 1 are done and some are not."""

    def reached() -> bool:
        database = home / "a3t.db"
        if not database.exists():
            return False
        store = Store(f"sqlite:///{database}")
        try:
            if store.revision() is None:
                return False
            with store.session() as session:
                states = session.execute(
                    select(WorkItem.state, func.count())
                    .where(WorkItem.round == 1, WorkItem.phase == phase)
                    .group_by(WorkItem.state)
                )
                counts = {row[0]: row[1] for row in states}
        finally:
            store.close()
        return bool(counts.get("done")) and bool(counts.get("running") or counts.get("queued"))

    return reached


def stack_of(home: Path) -> StackState:
    state = read_state(home)
    assert state is not None
    return state


def assert_nothing_lost_or_doubled(home: Path) -> None:
    store = Store(f"sqlite:///{home / 'a3t.db'}")
    with store.session() as session:
        items = list(session.scalars(select(WorkItem)))
        rows = list(session.scalars(select(TrajectoryRow).options(joinedload(TrajectoryRow.texts))))
    store.close()
    assert {item.state for item in items} == {"done"}
    wanted = {i.id for i in items if i.phase not in ("annotate", "train")}
    assert {row.id for row in rows} == wanted
    assert len(rows) == len(wanted)
    for row in rows:
        assert row.id == trajectory_id(row.run, row.round, row.task_id, row.kind, row.sample)
        assert [step["index"] for step in row.steps] == list(range(row.n_steps))


def test_a_killed_worker_is_replaced_and_its_episodes_are_done(home: Path, running: subprocess.Popen[bytes]) -> None:
    until(in_the_middle_of(home, "compose"), 600)
    os.kill(stack_of(home).children["worker"].pid, signal.SIGKILL)
    assert running.wait(600) == 0, (home / "run.log").read_text()
    assert_nothing_lost_or_doubled(home)


def test_a_killed_run_leaves_no_process_and_is_resumed(
    home: Path, recipe: Path, running: subprocess.Popen[bytes]
) -> None:
    until(in_the_middle_of(home, "compose"), 600)
    state = stack_of(home)
    os.kill(state.children["worker"].pid, signal.SIGKILL)
    os.kill(running.pid, signal.SIGKILL)
    running.wait()
    gone, alive = psutil.wait_procs([psutil.Process(c.pid) for c in state.children.values() if c.lives()], timeout=60)
    assert alive == [], f"{len(gone)} ended"
    finished = a3t(home, "run", str(recipe), "--resume", "--json", timeout=900)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["status"] == "finished"
    assert_nothing_lost_or_doubled(home)


def test_killed_services_come_back_and_the_round_goes_on(home: Path, running: subprocess.Popen[bytes]) -> None:
    until(in_the_middle_of(home, "rollout"), 600)
    children = stack_of(home).children
    os.kill(children["env"].pid, signal.SIGKILL)
    os.kill(children["policy"].pid, signal.SIGKILL)
    assert running.wait(900) == 0, (home / "run.log").read_text()
    assert_nothing_lost_or_doubled(home)


def test_ctrl_c_stops_every_child_and_a_second_start_works(
    home: Path, recipe: Path, running: subprocess.Popen[bytes]
) -> None:
    until(in_the_middle_of(home, "rollout"), 600)
    children = stack_of(home).children
    running.send_signal(signal.SIGINT)
    assert running.wait(120) == 130
    assert not any(child.lives() for child in children.values())
    assert read_state(home) is None
    finished = a3t(home, "run", str(recipe), "--resume", timeout=900)
    assert finished.returncode == 0, finished.stderr
    assert_nothing_lost_or_doubled(home)
