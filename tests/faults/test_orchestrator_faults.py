"""Two orchestrators drive a run; whichever does is killed at each phase change, and one is upgraded in the middle. The
run ends by itself, with the trajectories of a run that nobody disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.schemas import RunCreate, RunInfo, RunStatus
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_orchestrator.embedded import StackState, read_state
from a3t_orchestrator.recipe import load_recipe
from a3t_orchestrator.store import RunLease, Store, TrajectoryRow, WorkItem, get_run
from tests.support.live_server import free_port
from tests.support.mini_loop import A3T, environment, make_home, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

LEAST_KILLS = 6
"""Of the nine phases of the recipe; the shortest may be over before the test has seen them."""


@dataclass
class Service:
    """A stack with its own orchestrator, and a second one beside it, which the test starts again when it died."""

    home: Path
    state: StackState
    second: subprocess.Popen[bytes]

    @property
    def client(self) -> OrchestratorClient:
        return OrchestratorClient(self.state.urls["orchestrator"], DEVELOPMENT_TOKEN)

    def start_second(self) -> None:
        self.second = start_orchestrator(self.home, self.state)


def start_orchestrator(home: Path, state: StackState) -> subprocess.Popen[bytes]:
    addresses = {f"A3T_{name.upper()}_URL": url for name, url in state.urls.items() if name != "orchestrator"}
    database = f"sqlite:///{home / 'a3t.db'}"
    own = {"A3T_REDIS_URL": state.redis_url, "A3T_DATABASE_URL": database, "A3T_PORT": str(free_port())}
    with (home / "second.log").open("ab") as log:
        command = [sys.executable, "-m", "a3t_orchestrator"]
        return subprocess.Popen(command, env=environment(home) | addresses | own, stdout=log, stderr=log)


@pytest.fixture
def service(tmp_path: Path, tiny_model: Path) -> Iterator[Service]:
    home = make_home(tmp_path / "home")
    with (home / "up.log").open("wb") as log:
        command = [*A3T, "up", "--base-model", str(tiny_model)]
        stack = subprocess.Popen(command, env=environment(home), stdout=log, stderr=log)
    until = time.monotonic() + 240
    while not ((state := read_state(home)) and state.ready):
        assert stack.poll() is None, (home / "up.log").read_text()
        assert time.monotonic() < until
        time.sleep(0.2)
    running = Service(home, state, start_orchestrator(home, state))
    yield running
    running.second.kill()
    running.second.wait()
    stack.terminate()
    stack.wait(60)


async def begin(service: Service, recipe: Path, name: str) -> RunInfo:
    async with service.client as client:
        return await client.begin(RunCreate(recipe=load_recipe(recipe).model_dump(mode="json"), name=name))


def watch(store: Store, run: str) -> tuple[str, tuple[int, str], int]:
    """Status, phase, and the process that drives the run (0: none)."""
    with store.session() as session:
        row, lease = get_run(session, run), session.get(RunLease, run)
        return row.status, (row.round, row.phase), lease.pid if lease is not None and lease.holder else 0


def played(store: Store, run: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
    """What was played, and how it went, without what differs between runs of two names."""
    with store.session() as session:
        rows = session.scalars(select(TrajectoryRow).where(TrajectoryRow.run == run))
        return {
            (row.round, row.phase, row.task_id, row.kind, row.sample): (
                [(step["observation"], step["action"], step.get("thought")) for step in row.steps],
                row.success,
                row.stop_reason,
            )
            for row in rows
        }


async def test_a_run_outlives_every_orchestrator_that_drives_it(service: Service, tiny_model: Path) -> None:
    recipe = write_recipe(service.home / "mini.yaml", tiny_model, rounds=1)
    store = Store(f"sqlite:///{service.home / 'a3t.db'}")
    await begin(service, recipe, "calm")
    until = time.monotonic() + 600
    while (calm := watch(store, "calm"))[0] != RunStatus.finished:
        assert calm[0] in (RunStatus.queued, RunStatus.running)
        assert time.monotonic() < until
        time.sleep(0.2)
    assert (await begin(service, recipe, "calm")).status is RunStatus.finished, "the same request is the same run"

    await begin(service, recipe, "stormy")
    disturbed: list[tuple[int, str]] = []
    killed: set[bool] = set()
    until = time.monotonic() + 900
    while True:
        status, phase, driver = watch(store, "stormy")
        assert status in (RunStatus.queued, RunStatus.running, RunStatus.finished)
        assert time.monotonic() < until
        if status == RunStatus.finished:
            break
        if driver and phase[1] and phase not in disturbed:
            disturbed.append(phase)
            killed.add(driver == service.second.pid)
            upgrade = len(disturbed) == LEAST_KILLS // 2
            os.kill(driver, signal.SIGTERM if upgrade else signal.SIGKILL)
            if driver == service.second.pid:
                service.second.wait(60)
                service.start_second()
        time.sleep(0.02)
    assert len(disturbed) >= LEAST_KILLS, disturbed
    assert killed == {True, False}, "both orchestrators drove, and died of it"
    assert played(store, "stormy") == played(store, "calm")
    with store.session() as session:
        assert set(session.scalars(select(WorkItem.state))) == {"done"}
    store.close()
