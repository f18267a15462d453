"""The env service as a process of its own, over generated ALFWorld games: engines, processes, restart."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import psutil
import pytest

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.errors import ConflictError, NotFoundError
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionStep, StepResult
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from tests.support.live_server import free_port

PATIENT = RetryPolicy(attempts=240, initial=0.25, maximum=0.25, jitter=0.05)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with twelve generated games, two of each type."""
    home = tmp_path_factory.mktemp("home")
    add_generated(home / "data" / "alfworld", TRAIN_SPLIT, 12)
    return home


@contextmanager
def process(home: Path, **settings: object) -> Iterator[tuple[str, psutil.Process]]:
    """`python -m a3t_env` on a free port."""
    port = free_port()
    own = {f"A3T_ENV_{name.upper()}": str(value) for name, value in settings.items()}
    environment = os.environ | {"A3T_HOME": str(home), "A3T_PORT": str(port)} | own
    started = subprocess.Popen([sys.executable, "-m", "a3t_env"], env=environment, stderr=subprocess.DEVNULL)
    try:
        yield f"http://127.0.0.1:{port}", psutil.Process(started.pid)
    finally:
        started.terminate()
        assert started.wait(60) in (0, -signal.SIGTERM, 128 + signal.SIGTERM)


@asynccontextmanager
async def ready_client(url: str) -> AsyncIterator[EnvClient]:
    async with EnvClient(url, DEVELOPMENT_TOKEN, retry=PATIENT) as client:
        await client.ready()
        yield client


async def play(client: EnvClient, task_id: str, engine: str) -> tuple[list[str], bool]:
    """An episode by the expert: the observations, and whether it was won."""
    opened = await client.create(SessionCreate(environment="alfworld", task_id=task_id, engine=engine))
    texts, result = [opened.observation], None
    for index in range(opened.max_steps):
        result = await client.step(opened.id, await client.expert(opened.id), index)
        texts.append(result.observation)
        if result.done:
            break
    await client.close(opened.id)
    assert result is not None
    return texts, result.success


async def test_both_engines_play_the_same_episodes_at_the_same_time(home: Path) -> None:
    with process(home, official_processes=2) as (url, service):
        async with ready_client(url) as client:
            info = next(i for i in await client.environments() if i.name == "alfworld")
            assert info.engines == ["native", "official"]
            tasks = [task.id for task in (await client.tasks("alfworld", TRAIN_SPLIT)).tasks]
            assert len(tasks) == 12
            played = await asyncio.gather(
                *(play(client, task, engine) for task in tasks[::6] for engine in info.engines)
            )
            others = await asyncio.gather(*(play(client, task, "native") for task in tasks))
            descendants = service.children(recursive=True)
    assert played[0] == played[1]
    assert played[2] == played[3]
    assert all(won for _, won in [*played, *others])
    assert not [child for child in descendants if child.is_running()], "a child outlived the service"


async def test_processes_share_a_port_and_one_that_dies_is_replaced(home: Path) -> None:
    with process(home, workers=2) as (url, service):
        async with ready_client(url) as client:
            task = (await client.tasks("alfworld", TRAIN_SPLIT)).tasks[0].id
            request = SessionCreate(environment="alfworld", task_id=task)
            sessions = [(await client.create(request)).id for _ in range(8)]
            assert {i.partition("-")[0] for i in sessions} == {"0", "1"}
            steps = [SessionStep(session_id=i, action="look", index=0) for i in sessions]
            results = (await client.step_many(steps)).results
            assert [r.session_id for r in results if isinstance(r, StepResult)] == sessions
            _process_of(service, client).kill()
            lost = await asyncio.gather(*(_fate(url, i) for i in sessions))
            assert set(lost) == {"kept", "lost"}
            opened = await client.create(request)
            assert (await client.step(opened.id, "look", 0)).valid


async def test_a_restarted_service_forgets_its_sessions_and_says_so(home: Path) -> None:
    with process(home) as (url, _):
        async with ready_client(url) as client:
            task = (await client.tasks("alfworld", TRAIN_SPLIT)).tasks[0].id
            first = await client.create(SessionCreate(environment="alfworld", task_id=task, include_actions=True))
            drawn = await client.sample(first.id, SampleRequest(seed=4))
            assert drawn in (first.actions or [])
            with pytest.raises(ConflictError):
                await client.step(first.id, drawn, 3)
    with process(home) as (url, _):
        async with ready_client(url) as client:
            with pytest.raises(NotFoundError, match="Sessions end when the service restarts"):
                await client.step(first.id, drawn, 0)


def _process_of(service: psutil.Process, client: EnvClient) -> psutil.Process:
    """One of the two processes that serve the port."""
    port = int(client.base_url.rpartition(":")[2])
    workers = [c for c in service.children(recursive=True) if any(n.laddr.port == port for n in c.net_connections())]
    return workers[0]


async def _fate(url: str, session_id: str) -> str:
    """Whether a session survived the end of a process; asked until one answers."""
    async with EnvClient(url, DEVELOPMENT_TOKEN, retry=PATIENT) as client:
        try:
            await client.step(session_id, "look", 1)
        except NotFoundError:
            return "lost"
        return "kept"
