"""Two orchestrators drive a run; whichever does is killed in the middle of each phase that plays, and one is upgraded
in between. The run ends by itself, with the trajectories of a run that nobody disturbed."""

from __future__ import annotations

import asyncio
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
from a3t_orchestrator.store import Store, TrajectoryRow, WorkItem, driver_of, get_run
from tests.support.holding import ROOMS, Hold
from tests.support.live_server import free_port
from tests.support.mini_loop import A3T, environment, write_recipe
from tests.support.rooms import Wish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]

PHASES = [
    (0, "demonstrate"),
    (0, "evaluate_base"),
    (1, "rollout"),
    (1, "compose"),
    (0, "evaluate"),
    (1, "evaluate"),
]
"""In the order in which they begin: an agent is evaluated while the next round trains."""


@dataclass
class Service:
    """A stack with its own orchestrator, and a second one beside it, which the test starts again when it died."""

    home: Path
    hold: Hold
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
    home, hold = tmp_path / "home", Hold(tmp_path / "hold")
    home.mkdir()
    with (home / "up.log").open("wb") as log:
        command = [*A3T, "up", "--base-model", str(tiny_model)]
        stack = subprocess.Popen(command, env=environment(home) | hold.variables, stdout=log, stderr=log)
    until = time.monotonic() + 240
    while not ((state := read_state(home)) and state.ready):
        assert stack.poll() is None, (home / "up.log").read_text()
        assert time.monotonic() < until
        time.sleep(0.2)
    running = Service(home, hold, state, start_orchestrator(home, state))
    yield running
    running.second.kill()
    running.second.wait()
    stack.terminate()
    stack.wait(60)


async def begin(service: Service, recipe: Path, name: str) -> RunInfo:
    async with service.client as client:
        return await client.begin(RunCreate(recipe=load_recipe(recipe).model_dump(mode="json"), name=name))


def watch(store: Store, run: str) -> tuple[str, int]:
    """Status, and the process that drives the run (0: none)."""
    with store.session() as session:
        driver = driver_of(session, run)
        return get_run(session, run).status, driver.pid if driver is not None else 0


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


async def finished(store: Store, run: str) -> None:
    until = time.monotonic() + 600
    while (status := watch(store, run)[0]) != RunStatus.finished:
        assert status in (RunStatus.queued, RunStatus.running)
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


async def held(service: Service, store: Store, place: tuple[int, str]) -> int:
    """The process that drives the run, once the run stands still in the middle of a phase."""
    until = time.monotonic() + 300
    while True:
        status, driver = watch(store, "stormy")
        assert status in (RunStatus.queued, RunStatus.running), (status, place)
        assert time.monotonic() < until, place
        if service.hold.holds and driver:
            return driver
        await asyncio.sleep(0.05)


async def test_a_run_outlives_every_orchestrator_that_drives_it(service: Service, tiny_model: Path) -> None:
    limits = {"max_steps": 6, "max_tokens": 8, "chunk": 2, "concurrency": 1}
    recipe = write_recipe(service.home / "mini.yaml", tiny_model, rounds=1, limits=limits, **ROOMS)
    store = Store(f"sqlite:///{service.home / 'a3t.db'}")
    await begin(service, recipe, "calm")
    await finished(store, "calm")
    assert (await begin(service, recipe, "calm")).status is RunStatus.finished, "the same request is the same run"

    service.hold.ask(Wish(store.url, *PHASES[0], run="stormy"))
    await begin(service, recipe, "stormy")
    killed: set[bool] = set()
    for place, following in zip(PHASES, [*PHASES[1:], None], strict=True):
        driver = await held(service, store, place)
        killed.add(driver == service.second.pid)
        upgrade = place == PHASES[2]
        os.kill(driver, signal.SIGTERM if upgrade else signal.SIGKILL)
        if driver == service.second.pid:
            service.second.wait(60)
            service.start_second()
        if following is None:
            service.hold.release()
        else:
            service.hold.ask(Wish(store.url, *following, run="stormy"))
    await finished(store, "stormy")
    assert killed == {True, False}, "both orchestrators drove, and died of it"
    assert played(store, "stormy") == played(store, "calm")
    with store.session() as session:
        assert set(session.scalars(select(WorkItem.state))) == {"done"}
    store.close()
