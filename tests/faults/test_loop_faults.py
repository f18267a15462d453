"""Killing parts of the system in the middle of a round loses nothing and repeats nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.orm import joinedload

from a3t_contracts.schemas import trajectory_id
from a3t_orchestrator.embedded import StackState, read_state
from a3t_orchestrator.store import Store, TrajectoryRow, WorkItem
from tests.support.holding import ROOMS, Hold, until
from tests.support.mini_loop import A3T, a3t, environment, write_recipe
from tests.support.rooms import Wish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

HeldIn = Callable[[str], AbstractContextManager[subprocess.Popen[bytes]]]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "home"
    folder.mkdir()
    return folder


@pytest.fixture
def hold(tmp_path: Path) -> Hold:
    return Hold(tmp_path / "hold")


@pytest.fixture
def recipe(home: Path, tiny_model: Path) -> Path:
    limits = {"max_steps": 6, "max_tokens": 8, "chunk": 2, "concurrency": 1}
    return write_recipe(home / "mini.yaml", tiny_model, rounds=1, limits=limits, **ROOMS)


@pytest.fixture
def held_in(home: Path, recipe: Path, hold: Hold) -> HeldIn:
    """A run that stands still in the middle of a phase of round 1."""

    @contextmanager
    def run(phase: str) -> Iterator[subprocess.Popen[bytes]]:
        hold.ask(Wish(f"sqlite:///{home / 'a3t.db'}", 1, phase))
        log = home / "run.log"
        with log.open("wb") as out:
            command = [*A3T, "run", str(recipe)]
            process = subprocess.Popen(command, env=environment(home) | hold.variables, stdout=out, stderr=out)
        try:
            until(lambda: hold.holds, process, log)
            yield process
        finally:
            process.kill()
            process.wait()

    return run


def stack_of(home: Path) -> StackState:
    state = read_state(home)
    assert state is not None
    return state


def ends_well(process: subprocess.Popen[bytes], home: Path) -> None:
    assert process.wait(600) == 0, (home / "run.log").read_text()
    assert_nothing_lost_or_doubled(home)


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


def test_a_killed_worker_is_replaced_and_its_episodes_are_done(home: Path, held_in: HeldIn, hold: Hold) -> None:
    with held_in("compose") as running:
        os.kill(stack_of(home).children["worker"].pid, signal.SIGKILL)
        hold.release()
        ends_well(running, home)


def test_a_killed_run_leaves_no_process_and_is_resumed(home: Path, recipe: Path, held_in: HeldIn, hold: Hold) -> None:
    with held_in("compose") as running:
        state = stack_of(home)
        os.kill(state.children["worker"].pid, signal.SIGKILL)
        os.kill(running.pid, signal.SIGKILL)
        running.wait()
        hold.release()
    left = [psutil.Process(c.pid) for c in state.children.values() if c.lives()]
    gone, alive = psutil.wait_procs(left, timeout=60)
    assert alive == [], f"{len(gone)} ended"
    finished = a3t(home, "run", str(recipe), "--resume", "--json", timeout=600, **hold.variables)
    assert finished.returncode == 0, finished.stderr
    assert json.loads(finished.stdout)["status"] == "finished"
    assert_nothing_lost_or_doubled(home)


def test_killed_services_come_back_and_the_round_goes_on(home: Path, held_in: HeldIn, hold: Hold) -> None:
    with held_in("rollout") as running:
        children = stack_of(home).children
        os.kill(children["env"].pid, signal.SIGKILL)
        os.kill(children["policy"].pid, signal.SIGKILL)
        hold.release()
        ends_well(running, home)


def test_ctrl_c_stops_every_child_and_a_second_start_works(
    home: Path, recipe: Path, held_in: HeldIn, hold: Hold
) -> None:
    with held_in("rollout") as running:
        children = stack_of(home).children
        running.send_signal(signal.SIGINT)
        hold.release()
        assert running.wait(120) == 130
    assert not any(child.lives() for child in children.values())
    assert read_state(home) is None
    finished = a3t(home, "run", str(recipe), "--resume", timeout=600, **hold.variables)
    assert finished.returncode == 0, finished.stderr
    assert_nothing_lost_or_doubled(home)
