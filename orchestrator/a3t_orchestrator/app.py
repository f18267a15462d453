"""The orchestrator service: its API, its dashboard, and the runs that it drives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from anyio import to_thread
from fastapi import FastAPI
from prometheus_client import Gauge
from redis.exceptions import RedisError

from a3t_contracts.errors import UnavailableError
from a3t_contracts.service import BodyLimits, create_service

from .api import control, export, failures, recipes, runs, trajectories
from .dashboard import ROUTERS, add_dashboard
from .driver.supervisor import Supervisor
from .queue import QUEUES, queue_lengths
from .settings import OrchestratorSettings
from .stopping import told_of_stop
from .store import Store

__all__ = ["create_app"]

_QUEUE_LENGTH = Gauge("a3t_queue_length", "Tasks that no worker has taken yet", ["queue"])


def create_app(settings: OrchestratorSettings) -> FastAPI:
    """The app; `/metrics` tells the length of every queue."""
    store = Store(settings.database)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        loop, stopping = asyncio.get_running_loop(), asyncio.Event()
        supervisor = Supervisor(store, settings)
        app.state.store, app.state.settings = store, settings
        app.state.stopping = stopping
        app.state.wake = lambda: loop.call_soon_threadsafe(supervisor.wake)
        drives = settings.drive_runs and settings.is_external
        task = asyncio.create_task(_drive_until(supervisor, stopping)) if drives else None
        with told_of_stop(lambda: loop.call_soon_threadsafe(stopping.set)):
            yield
        stopping.set()
        if task is not None:
            await task
        store.close()

    async def ready() -> dict[str, Any]:
        await to_thread.run_sync(store.require_current)
        return {"queues": await to_thread.run_sync(_lengths, settings)}

    _watch_queues(settings)
    app = create_service(
        "orchestrator",
        settings,
        [runs.router, control.router, export.router, failures.router, recipes.router, trajectories.router, *ROUTERS],
        lifespan=lifespan,
        ready=ready,
        bodies=BodyLimits(settings.max_body_bytes),
        description="Begins and drives runs; tells of rounds, trajectories and events; pages for people at /.",
    )
    add_dashboard(app, settings)
    return app


async def _drive_until(supervisor: Supervisor, stopping: asyncio.Event) -> None:
    """Leases are given up as soon as the process is asked to stop, while its last requests are still answered."""
    driving = asyncio.create_task(supervisor.run())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait((driving, stop), return_when=asyncio.FIRST_COMPLETED)
    for task in (driving, stop):
        task.cancel()
    await asyncio.gather(driving, stop, return_exceptions=True)


def _lengths(settings: OrchestratorSettings) -> dict[str, int]:
    if not settings.redis_url:
        return {}
    try:
        return queue_lengths(settings.redis_url)
    except RedisError as error:
        raise UnavailableError(
            f"The queue cannot be reached: {error}.", hint="Check A3T_REDIS_URL, and that Redis runs."
        ) from error


def _watch_queues(settings: OrchestratorSettings) -> None:
    """Read the length of each queue when Prometheus asks; −1 while Redis is out of reach."""

    def length(name: str) -> float:
        try:
            return _lengths(settings).get(name, 0)
        except UnavailableError:
            return -1

    for queue in QUEUES:
        _QUEUE_LENGTH.labels(queue).set_function(partial(length, queue))
