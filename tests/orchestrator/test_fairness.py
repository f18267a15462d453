"""Runs at the same time share the workers: a small one does not wait for all that a large one has planned."""

from __future__ import annotations

import asyncio
import base64
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from kombu.utils.json import loads
from sqlalchemy import select, update
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.driver.dispatch import complete_phase, queue_room
from a3t_orchestrator.embedded.redis_server import find_server, write_config
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import PhaseKey, Plan, Store, WorkItem, claim, create_run, phase_counts, plan_work
from tests.support.live_server import free_port

CHUNK, LARGE, SMALL = 4, 400, 12
RECIPE = parse_recipe({"name": "r", "environment": "alfworld", "limits": {"chunk": CHUNK}})


@pytest.fixture
def queue(tmp_path: Path) -> Iterator[str]:
    config, url = write_config(tmp_path, free_port())
    process = subprocess.Popen([find_server(), str(config)], stdout=subprocess.DEVNULL)
    reached = Retrying(retry=retry_if_exception_type(redis.RedisError), stop=stop_after_delay(30), wait=wait_fixed(0.1))
    reached(redis.Redis.from_url(url).ping)
    yield url
    process.terminate()
    process.wait(30)


@pytest.mark.parametrize(
    ("queued", "running", "room"),
    [(0, 0, 512), (500, 0, 0), (384, 0, 128), (512, 256, 256), (768, 256, 0), (3000, 1024, 0), (2900, 1024, 128)],
)
def test_a_run_keeps_a_few_times_as_much_in_the_queue_as_is_played_of_it(queued: int, running: int, room: int) -> None:
    assert queue_room(queued, running, chunk=128) == room


async def test_a_small_run_is_not_starved_behind_a_large_one(tmp_path: Path, queue: str) -> None:
    """Driver, queue server and work list are real; the worker takes one chunk after the other and plays at once."""
    store = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    store.upgrade()
    keys = {name: PhaseKey(name, 1, Phase.rollout) for name in ("large", "small")}
    with store.session() as session:
        for (name, key), count in zip(keys.items(), (LARGE, SMALL), strict=True):
            create_run(session, name, RECIPE, "", {})
            plan_work(session, key, [Plan(f"t{i}", "pick", "train", "policy", 0, None) for i in range(count)])
    settings = OrchestratorSettings(redis_url=queue)
    large, small = (
        asyncio.create_task(complete_phase(RunContext(store, settings, name, RECIPE, poll_seconds=0.02), key))
        for name, key in keys.items()
    )
    client = redis.Redis.from_url(queue)
    while not small.done():
        taken = await asyncio.to_thread(client.blpop, ["rollout"], timeout=5)
        assert taken is not None, "the small run has nothing in the queue"
        _play(store, taken[1])
    done = await store.do(lambda session: phase_counts(session, keys["large"]).get("done", 0))
    assert (await small).done == SMALL
    assert done < LARGE / 4, "the large run was not played to its end first"
    while not large.done():
        if taken := await asyncio.to_thread(client.blpop, ["rollout"], timeout=1):
            _play(store, taken[1])
    assert (await large).done == LARGE
    store.close()


def _play(store: Store, message: bytes) -> None:
    args, _, _ = loads(_body(message))
    with store.session() as session:
        items = [item.id for item in claim(session, args[1], "w", 30, 5)]
        session.execute(update(WorkItem).where(WorkItem.id.in_(items)).values(state="done"))
        assert session.scalars(select(WorkItem.id).where(WorkItem.id.in_(items))).all()


def _body(message: bytes) -> str:
    return base64.b64decode(loads(message)["body"]).decode()
