"""The worker's process beside a real Valkey and a real PostgreSQL: what it takes, how it waits, how it shows life."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import redis
from kombu.serialization import register_pickle
from sqlalchemy import make_url
from tenacity import Retrying, retry_if_exception_type, retry_if_result, stop_after_delay, wait_fixed

from a3t_orchestrator.embedded.redis_server import find_server, write_config
from a3t_orchestrator.queue import configure
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store
from tests.support.live_server import free_port
from tests.support.postgres import PostgresServer
from tests.support.tcp_gate import TcpGate
from tests.support.waiting_worker import BEGUN, ENDED, RELEASE, TASK

WORKER = [sys.executable, "-m", "a3t_orchestrator.worker"]
HOLDING = [sys.executable, "-m", "tests.support.waiting_worker"]
SLOTS, TASKS = 2, 10_000


def until(met: Callable[[], bool], seconds: float = 60) -> None:
    Retrying(retry=retry_if_result(lambda yes: not yes), stop=stop_after_delay(seconds), wait=wait_fixed(0.05))(met)


def answering(url: str) -> None:
    reached = Retrying(retry=retry_if_exception_type(redis.RedisError), stop=stop_after_delay(30), wait=wait_fixed(0.1))
    reached(redis.Redis.from_url(url).ping)


@pytest.fixture(scope="module")
def queue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis-compatible server."""
    port = free_port()
    config, url = write_config(tmp_path_factory.mktemp("redis"), port)
    process = subprocess.Popen([find_server(), str(config)], stdout=subprocess.DEVNULL)
    answering(url)
    yield url
    process.terminate()
    process.wait(30)


@pytest.fixture
def heartbeat(tmp_path: Path) -> Path:
    return tmp_path / "heartbeat"


def migrate(database: str) -> None:
    store = Store(database)
    store.upgrade()
    store.close()


@contextmanager
def started(
    command: list[str], queue: str, database: str, heartbeat: Path, **more: str
) -> Iterator[subprocess.Popen[bytes]]:
    values = {"A3T_REDIS_URL": queue, "A3T_DATABASE_URL": database, "A3T_WORKER_HEARTBEAT_FILE": str(heartbeat)}
    values |= {"A3T_WORKER_THREADS": str(SLOTS), "A3T_LOG_LEVEL": "INFO"} | more
    with (heartbeat.parent / "worker.log").open("wb") as log:
        process = subprocess.Popen(command, env=os.environ | values, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.kill()
        process.wait(30)


def ended(process: subprocess.Popen[bytes]) -> int:
    process.send_signal(signal.SIGTERM)
    return process.wait(60)


def test_a_process_that_is_given_another_queue_sends_to_that_one(queue: str, tmp_path: Path) -> None:
    """The connections that it made before lead to the former one, which has ended by then."""
    config, former = write_config(tmp_path, free_port())
    process = subprocess.Popen([find_server(), str(config)], stdout=subprocess.DEVNULL)
    answering(former)
    configure(OrchestratorSettings(redis_url=former)).send_task(TASK, queue="rollout")
    assert redis.Redis.from_url(former).llen("rollout") == 1
    process.terminate()
    process.wait(30)
    client = redis.Redis.from_url(queue)
    configure(OrchestratorSettings(redis_url=queue)).send_task(TASK, queue="rollout")
    assert client.llen("rollout") == 1
    client.delete("rollout")


def test_what_no_slot_has_taken_stays_in_the_list(queue: str, heartbeat: Path, tmp_path: Path) -> None:
    """Autoscalers read the list's length, so a worker takes a task for each slot and none beside."""
    database = f"sqlite:///{tmp_path / 'a3t.db'}"
    migrate(database)
    app, client = configure(OrchestratorSettings(redis_url=queue)), redis.Redis.from_url(queue)
    with app.producer_pool.acquire(block=True) as producer:
        for _ in range(TASKS):
            app.send_task(TASK, queue="rollout", producer=producer)
    assert client.llen("rollout") == TASKS

    def count(key: str) -> int:
        return int(client.get(key) or 0)

    with started(HOLDING, queue, database, heartbeat):
        for released in (0, 5):
            for _ in range(released):
                client.rpush(RELEASE, "go")
            until(lambda n=released: (count(BEGUN), count(ENDED)) == (SLOTS + n, n))  # type: ignore[misc]
            for _ in range(3):  # each answer comes from the loop that also takes tasks
                assert app.control.ping(timeout=10.0, limit=1)
            assert client.llen("rollout") == TASKS - SLOTS - released
            assert client.hlen("unacked") == SLOTS
    client.delete("rollout", "unacked", "unacked_index")


class Bomb:
    """What a pickle does that is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Callable[[Path], None], tuple[Path]]:
        return (Path.touch, (self.marker,))


def test_a_worker_takes_json_and_known_names_only(queue: str, heartbeat: Path, tmp_path: Path) -> None:
    database, marker = f"sqlite:///{tmp_path / 'a3t.db'}", tmp_path / "loaded"
    migrate(database)
    app, client = configure(OrchestratorSettings(redis_url=queue)), redis.Redis.from_url(queue)
    before = int(client.get(BEGUN) or 0)
    register_pickle()
    with app.producer_pool.acquire(block=True) as producer:
        app.send_task(TASK, args=[Bomb(marker)], queue="rollout", producer=producer, serializer="pickle")
        app.send_task("os.system", args=[f"touch {marker}"], queue="rollout", producer=producer)
        app.send_task(TASK, queue="rollout", producer=producer)
    with started(HOLDING, queue, database, heartbeat):
        client.rpush(RELEASE, "go")
        until(lambda: int(client.get(BEGUN) or 0) == before + 1)
        until(lambda: client.llen("rollout") == 0)
    log = (heartbeat.parent / "worker.log").read_text()
    assert "Refusing to deserialize" in log
    assert "Received unregistered task of type 'os.system'" in log
    assert not marker.exists()
    client.delete("rollout", "unacked", "unacked_index")


def test_a_worker_waits_for_its_database_then_shows_that_it_lives(
    queue: str, heartbeat: Path, postgres: PostgresServer
) -> None:
    url = make_url(postgres.fresh_database())
    migrate(url.render_as_string())
    gate = TcpGate(postgres.port)
    gate.shut()
    database, port = url.set(port=gate.port).render_as_string(), free_port()
    with started(WORKER, queue, database, heartbeat, A3T_WORKER_METRICS_PORT=str(port)) as process:
        assert gate.refused.wait(60)
        assert not heartbeat.exists()
        gate.open()
        until(heartbeat.exists)
        assert "a3t_worker_episodes_total" in httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30).text
        first = heartbeat.stat().st_mtime_ns
        until(lambda: heartbeat.stat().st_mtime_ns > first)
        assert ended(process) == 0
    gate.close()


@pytest.mark.parametrize(
    "command", [WORKER, [sys.executable, "-m", "a3t_orchestrator.cli", "db", "upgrade", "--wait=300"]]
)
def test_what_waits_for_the_database_ends_when_it_is_told_to(
    command: list[str], queue: str, heartbeat: Path, postgres: PostgresServer
) -> None:
    gate = TcpGate(postgres.port)
    gate.shut()
    with started(command, queue, f"postgresql://a3t@127.0.0.1:{gate.port}/a3t", heartbeat) as process:
        assert gate.refused.wait(60)
        assert ended(process) == 128 + signal.SIGTERM
        assert b"Traceback" not in (heartbeat.parent / "worker.log").read_bytes()
    gate.close()
