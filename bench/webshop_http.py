"""Measures WebShop episodes over HTTP. The env service is a separate process; the load generator is on the same
machine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.webshop import WebShopEnvironment
from bench.env_http import HOST, service
from bench.http_load import Load, LoadResult, request_bytes, run_load

__all__ = ["http_figures"]

PORT, CONNECTIONS, EPISODES = 18_191, 32, 20


class _Walk:
    """Plays whole episodes on one connection: open, the shopper's actions, close, the next one."""

    def __init__(self, episodes: list[tuple[str, list[str]]]) -> None:
        self._requests = self._all(episodes)
        self._session = ""
        self.steps = 0

    def following(self) -> bytes | None:
        return next(self._requests, None)

    def received(self, status: int, body: bytes) -> None:
        if status >= 400:
            raise RuntimeError(body.decode())
        if status == 201:
            self._session = orjson.loads(body)["id"]

    def _all(self, episodes: list[tuple[str, list[str]]]) -> Iterator[bytes]:
        for task, actions in episodes:
            create = orjson.dumps({"environment": "webshop", "task_id": task})
            yield request_bytes("POST", "/v1/sessions", DEVELOPMENT_TOKEN, create)
            for action in actions:
                self.steps += 1
                path = f"/v1/sessions/{self._session}/step"
                yield request_bytes("POST", path, DEVELOPMENT_TOKEN, orjson.dumps({"action": action}))
            yield request_bytes("DELETE", f"/v1/sessions/{self._session}", DEVELOPMENT_TOKEN)


def http_figures(home: Path, environment: WebShopEnvironment) -> dict[str, Any]:
    """Requests and steps a second of one worker, with sessions opened and closed in between."""
    tasks = [task.id for task in environment.tasks("train")][: CONNECTIONS * EPISODES]
    plans = [(task, _plan(environment, task)) for task in tasks]
    walks = [_Walk(plans[i::CONNECTIONS]) for i in range(CONNECTIONS)]
    with service(home, PORT, workers=1) as running:
        result = asyncio.run(_drive(running.port, walks))
        resident = running.memory() / 2**20
    steps = sum(walk.steps for walk in walks)
    return {
        "http_connections": CONNECTIONS,
        "http_steps_per_second": steps / result.seconds,
        "http_requests_per_second": result.requests / result.seconds,
        "http_ms_p50": result.percentile(0.5) * 1e3,
        "http_ms_p99": result.percentile(0.99) * 1e3,
        "http_service_resident_mib": resident,
    }


async def _drive(port: int, walks: list[_Walk]) -> LoadResult:
    return await run_load(HOST, port, [Load(walk.following, walk.received) for walk in walks])


def _plan(environment: WebShopEnvironment, task: str) -> list[str]:
    """The shopper's actions on a task."""
    episode = environment.episode(task)
    outcome = episode.start()
    actions: list[str] = []
    while not outcome.done and len(actions) < environment.info().max_steps:
        actions.append(episode.expert())
        outcome = episode.step(actions[-1])
    return actions
