"""Two orchestrators drive a run, on SQLite and on PostgreSQL; whichever does is killed in the middle of each phase, and
both are upgraded in between. The run ends by itself, with the trajectories of a run that nobody disturbed."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.schemas import JobStatus, RunCreate, RunInfo, RunStatus
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_orchestrator.embedded import StackState, read_state
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import load_recipe
from a3t_orchestrator.store import Event, Store, TrajectoryRow, WorkItem, driver_of, get_job, get_run
from tests.support.holding import ROOMS, Hold
from tests.support.live_server import free_port
from tests.support.mini_loop import A3T, environment, write_recipe
from tests.support.postgres import PostgresServer
from tests.support.rooms import Wish

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


@dataclass
class Service:
    """A stack with its own orchestrator, and a second one beside it, which is started again where it ended."""

    home: Path
    hold: Hold
    store: Store
    second: subprocess.Popen[bytes]

    @property
    def stack(self) -> StackState:
        state = read_state(self.home)
        assert state is not None
        return state

    @property
    def client(self) -> OrchestratorClient:
        return OrchestratorClient(self.stack.urls["orchestrator"], DEVELOPMENT_TOKEN)

    def end(self, orchestrator: int, how: signal.Signals) -> None:
        """End the orchestrator with this process id, and see that there are two again."""
        os.kill(orchestrator, how)
        if orchestrator == self.second.pid:
            self.second.wait(60)
            self.second = start_orchestrator(self.home, self.stack, self.store.url)
        else:
            wait_until(lambda: self.stack.children["orchestrator"].pid != orchestrator)

    def upgrade(self) -> None:
        """Replace both orchestrators, one after the other."""
        for orchestrator in (self.second.pid, self.stack.children["orchestrator"].pid):
            self.end(orchestrator, signal.SIGTERM)

    @contextmanager
    def frozen_training(self) -> Iterator[None]:
        """No fine-tuning job goes on meanwhile; the trainer answers."""
        processes = psutil.Process(self.stack.children["trainer"].pid).children(recursive=True)
        assert processes, "the trainer keeps its training process"
        with frozen(processes):
            yield

    @contextmanager
    def frozen_policy(self) -> Iterator[None]:
        """No adapter goes live meanwhile."""
        policy = psutil.Process(self.stack.children["policy"].pid)
        with frozen([policy, *policy.children(recursive=True)]):
            yield


@contextmanager
def frozen(processes: list[psutil.Process]) -> Iterator[None]:
    for process in processes:
        process.suspend()
    try:
        yield
    finally:
        for process in processes:
            if process.is_running():
                process.resume()


def wait_until(met: Callable[[], bool], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until
        time.sleep(0.05)


def start_orchestrator(home: Path, state: StackState, database: str) -> subprocess.Popen[bytes]:
    addresses = {f"A3T_{name.upper()}_URL": url for name, url in state.urls.items() if name != "orchestrator"}
    own = {"A3T_REDIS_URL": state.redis_url, "A3T_DATABASE_URL": database, "A3T_PORT": str(free_port())}
    with (home / "second.log").open("ab") as log:
        command = [sys.executable, "-m", "a3t_orchestrator"]
        return subprocess.Popen(command, env=environment(home) | addresses | own, stdout=log, stderr=log)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'a3t.db'}"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.fresh_database()


@pytest.fixture
def service(tmp_path: Path, tiny_model: Path, database: str) -> Iterator[Service]:
    home, hold = tmp_path / "home", Hold(tmp_path / "hold")
    home.mkdir()
    with (home / "up.log").open("wb") as log:
        command = [*A3T, "up", "--base-model", str(tiny_model)]
        variables = environment(home) | hold.variables | {"A3T_DATABASE_URL": database}
        stack = subprocess.Popen(command, env=variables, stdout=log, stderr=log)
    until = time.monotonic() + 240
    while not ((state := read_state(home)) and state.ready):
        assert stack.poll() is None, (home / "up.log").read_text()
        assert time.monotonic() < until
        time.sleep(0.2)
    running = Service(home, hold, Store(database), start_orchestrator(home, state, database))
    yield running
    running.store.close()
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


async def reached(service: Service, there: Callable[[Session], bool]) -> int:
    """The process that drives the run, once the database shows that it is there."""
    until = time.monotonic() + 300
    while True:
        status, driver = watch(service.store, "stormy")
        assert status in (RunStatus.queued, RunStatus.running), (status, there.__name__)
        assert time.monotonic() < until, there.__name__
        if driver and await service.store.do(there):
            return driver
        await asyncio.sleep(0.05)


def training_is_under_way(session: Session) -> bool:
    """In round 1."""
    job = get_job(session, "stormy", 1)
    return job is not None and job.job_id is not None and not JobStatus(job.status).ended


def evaluation_is_done(session: Session) -> bool:
    """In round 0."""
    states = select(WorkItem.state).where(
        WorkItem.run == "stormy", WorkItem.round == 0, WorkItem.phase == Phase.evaluate
    )
    return set(session.scalars(states)) == {"done"}


def an_adapter_waits_to_go_live(session: Session) -> bool:
    """In round 1."""
    kinds = set(session.scalars(select(Event.kind).where(Event.run == "stormy", Event.round == 1)))
    return "job_finished" in kinds and "published" not in kinds


async def test_a_run_outlives_every_orchestrator_that_drives_it(service: Service, tiny_model: Path) -> None:
    limits = {"max_steps": 6, "max_tokens": 8, "chunk": 2, "concurrency": 1}
    recipe = write_recipe(service.home / "mini.yaml", tiny_model, rounds=1, limits=limits, **ROOMS)
    store = service.store
    await begin(service, recipe, "calm")
    await finished(store, "calm")
    assert (await begin(service, recipe, "calm")).status is RunStatus.finished, "the same request is the same run"

    killed: set[bool] = set()

    def ask(number: int, phase: Phase) -> None:
        service.hold.ask(Wish(store.url, number, phase, run="stormy"))

    async def held() -> int:
        return await reached(service, lambda _: service.hold.holds)

    def kill(driver: int) -> None:
        killed.add(driver == service.second.pid)
        service.end(driver, signal.SIGKILL)

    ask(0, Phase.demonstrate)
    await begin(service, recipe, "stormy")
    for following in ((0, Phase.evaluate_base), (1, Phase.rollout)):
        kill(await held())
        ask(*following)
    await held()
    service.upgrade()
    ask(1, Phase.compose)
    with ExitStack() as frozen_policy:
        driver = await held()
        with service.frozen_training():
            kill(driver)
            ask(0, Phase.evaluate)  # it is played while round 1 trains
            await held()
            kill(await reached(service, training_is_under_way))
            ask(1, Phase.evaluate)
            await reached(service, evaluation_is_done)
            frozen_policy.enter_context(service.frozen_policy())
        kill(await reached(service, an_adapter_waits_to_go_live))
    kill(await held())
    service.hold.release()
    await finished(store, "stormy")
    assert killed == {True, False}, "both orchestrators drove, and died of it"
    assert played(store, "stormy") == played(store, "calm")
    with store.session() as session:
        columns = (WorkItem.run, WorkItem.round, WorkItem.phase, WorkItem.state, WorkItem.attempts, WorkItem.error)
        assert session.execute(select(*columns).where(WorkItem.state != "done")).all() == []
        published = select(Event.round).where(Event.run == "stormy", Event.kind == "published").order_by(Event.round)
        assert session.scalars(published).all() == [0, 1], "each adapter went live once"
