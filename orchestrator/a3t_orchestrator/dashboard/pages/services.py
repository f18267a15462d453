"""Page of services, workers and queues: whether they answer, and what they are doing."""

from __future__ import annotations

import asyncio
from typing import Any

from fastapi import Request
from starlette.responses import Response

from a3t_contracts import __version__

from ...api.deps import StoreDep
from ...settings import OrchestratorSettings
from ...store import Store, drivers_now, worker_loads
from ..guard import page_router
from ..page import PageDep
from ..services import policy_replicas, service_states
from ..workers import queue_state

__all__ = ["router"]

router = page_router("/services")


@router.get("")
async def services_page(page: PageDep, store: StoreDep, request: Request) -> Response:
    """Show all services, workers and queues."""
    return page.render("services.html", **await _state(store, request.app.state.settings))


@router.get("/part/state")
async def services_part(page: PageDep, store: StoreDep, request: Request) -> Response:
    """Show their state as it is now."""
    return page.part("services_state.html", **await _state(store, request.app.state.settings))


async def _state(store: Store, settings: OrchestratorSettings) -> dict[str, Any]:
    services, replicas, queue = await asyncio.gather(
        service_states(settings), policy_replicas(settings), asyncio.to_thread(queue_state, settings)
    )
    loads = await store.do(worker_loads)
    return {
        "services": services,
        "replicas": replicas,
        "queue": queue,
        "loads": loads,
        "drivers": await store.do(drivers_now),
        "version": __version__,
    }
