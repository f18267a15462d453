"""The orchestrator service: its API, its dashboard, and the runs that it drives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from anyio import to_thread
from fastapi import FastAPI

from a3t_contracts.service import BodyLimits, create_service
from a3t_contracts.tracing import trace_queue

from .api import control, export, failures, recipes, runs, trajectories
from .dashboard import ROUTERS, add_dashboard
from .driver.supervisor import Supervisor
from .metrics import lengths, watch
from .settings import OrchestratorSettings
from .stopping import told_of_stop
from .store import Store

__all__ = ["create_app"]


def create_app(settings: OrchestratorSettings) -> FastAPI:
    """Create the app. Its `/metrics` include queues, runs and episodes that were given up."""
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
        return {"queues": await to_thread.run_sync(lengths, settings)}

    watch(store, settings)
    app = create_service(
        "orchestrator",
        settings,
        [runs.router, control.router, export.router, failures.router, recipes.router, trajectories.router, *ROUTERS],
        lifespan=lifespan,
        ready=ready,
        bodies=BodyLimits(settings.max_body_bytes),
        description="Begins and drives runs; returns rounds, trajectories and events; the dashboard is at /.",
    )
    trace_queue()
    add_dashboard(app, settings)
    return app


async def _drive_until(supervisor: Supervisor, stopping: asyncio.Event) -> None:
    """Run the supervisor until the process is asked to stop. It gives up its leases then at once, while the last
    requests are still being answered."""
    driving = asyncio.create_task(supervisor.run())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait((driving, stop), return_when=asyncio.FIRST_COMPLETED)
    for task in (driving, stop):
        task.cancel()
    await asyncio.gather(driving, stop, return_exceptions=True)
