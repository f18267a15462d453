"""Several processes behind one API: every process answers for every session."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.errors import ConflictError, GoneError, NotFoundError, OverloadedError, Problem, UnavailableError
from a3t_contracts.schemas import SampleRequest, SessionStep, StepResult
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app
from a3t_env.environments import Environments
from a3t_env.processes.serve import claim_slot
from a3t_env.settings import EnvSettings
from tests.env.service.conftest import walk
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server

ONCE = RetryPolicy(attempts=1)


@pytest.fixture
def urls(tmp_path: Path) -> Iterator[list[str]]:
    settings = EnvSettings(home=tmp_path, env_workers=2, env_max_sessions=5)
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                live_server(
                    create_app(settings, Environments({"alfworld": CorridorEnvironment}), slot=n, folder=tmp_path)
                )
            )
            for n in range(2)
        ]


@pytest.fixture
async def clients(urls: list[str]) -> AsyncIterator[list[EnvClient]]:
    made = [EnvClient(url, DEVELOPMENT_TOKEN, retry=ONCE) for url in urls]
    yield made
    for client in made:
        await client.aclose()


async def test_sessions_are_spread_and_every_process_answers_for_them(clients: list[EnvClient]) -> None:
    opened = [await clients[0].create(walk(include_actions=True)) for _ in range(4)]
    assert sorted(s.id.partition("-")[0] for s in opened) == ["0", "0", "1", "1"]
    for client in clients:
        for session in opened:
            assert (await client.session(session.id)).id == session.id
            assert await client.actions(session.id) == ["go right"]
            assert await client.expert(session.id) == "go right"
            assert await client.sample(session.id, SampleRequest(seed=1)) == "go right"
    for index, client in enumerate(clients):
        steps = [await client.step(session.id, "go right", index) for session in opened]
        assert [s.observation for s in steps] == [f"You are in room {index + 1}."] * 4
    for session in opened:
        await clients[1].close(session.id)
        with pytest.raises(GoneError, match="is closed"):
            await clients[0].session(session.id)


async def test_a_batch_over_processes_keeps_its_order(clients: list[EnvClient]) -> None:
    opened = [(await clients[0].create(walk())).id for _ in range(4)]
    steps = [SessionStep(session_id=i, action="go right", index=0) for i in [opened[3], *opened[:3]]]
    steps.insert(2, SessionStep(session_id="9-never", action="look"))
    results = (await clients[1].step_many(steps)).results
    assert [r.status if isinstance(r, Problem) else r.session_id for r in results] == [
        opened[3],
        opened[0],
        404,
        opened[1],
        opened[2],
    ]


async def test_a_process_resets_what_another_holds(urls: list[str]) -> None:
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}) as http:
        made = [(await http.post(f"{urls[0]}/agentgym/alfworld/create")).json()["id"] for _ in range(2)]
        assert sorted(one.partition("-")[0] for one in made) == ["0", "1"]
        for session_id in made:
            for url in urls:
                await http.post(f"{url}/agentgym/alfworld/step", json={"id": session_id, "action": "go right"})
                reset = await http.post(f"{url}/agentgym/alfworld/reset", json={"id": session_id, "data_idx": 2})
                assert reset.json()["observation"].startswith("You are in room 0 of 5")


async def test_errors_pass_between_processes_as_they_are(clients: list[EnvClient]) -> None:
    opened = [(await clients[0].create(walk())).id for _ in range(2)]
    for session_id in opened:
        with pytest.raises(ConflictError, match="is out of order") as caught:
            await clients[0].step(session_id, "go right", 5)
        assert caught.value.extra["next_index"] == 0
    for unknown in ("0-never", "1-never", "7-never", "never", "-"):
        with pytest.raises(NotFoundError, match="There is no session"):
            await clients[0].step(unknown, "look")
    for _ in range(2):
        with pytest.raises(NotFoundError, match="no task 'nowhere'"):
            await clients[0].create(walk(task_id="nowhere"))


async def test_the_cap_holds_over_all_processes(clients: list[EnvClient]) -> None:
    for client in [*clients, *clients, clients[0]]:
        await client.create(walk())
    for client in clients:
        with pytest.raises(OverloadedError, match="sessions are in use"):
            await client.create(walk())


async def test_a_process_that_is_gone_is_told_and_gone_around(tmp_path: Path) -> None:
    settings = EnvSettings(home=tmp_path, env_workers=2)
    app = create_app(settings, Environments({"alfworld": CorridorEnvironment}), slot=0, folder=tmp_path)
    with live_server(app) as url:
        async with EnvClient(url, DEVELOPMENT_TOKEN, retry=ONCE) as client:
            with pytest.raises(UnavailableError, match="The server process that held this session has ended"):
                await client.step("1-lost", "look")
            opened = [(await client.create(walk())).id for _ in range(2)]
            assert {i.partition("-")[0] for i in opened} == {"0"}
            steps = [SessionStep(session_id=i, action="go right") for i in ("1-lost", opened[0])]
            lost, made = (await client.step_many(steps)).results
    assert isinstance(lost, Problem)
    assert lost.status == 503
    assert isinstance(made, StepResult)


def test_slots_are_claimed_once(tmp_path: Path) -> None:
    assert [claim_slot(tmp_path, 3) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ConflictError, match="All 3 slots for server processes"):
        claim_slot(tmp_path, 3)


def test_each_process_keeps_the_collector_from_what_is_loaded(tmp_path: Path) -> None:
    code = "import gc; from a3t_env.processes import process_app; process_app(); print(gc.get_freeze_count())"
    folder = {"A3T_HOME": str(tmp_path), "A3T_ENV_PROCESSES_FOLDER": str(tmp_path), "A3T_ENV_WORKERS": "2"}
    done = subprocess.run([sys.executable, "-c", code], env=os.environ | folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) > 10_000
