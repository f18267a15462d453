"""The env service's app."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.middleware import Middleware

from a3t_contracts.errors import UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.service import BodyLimits, create_service

from .api import agentgym, openenv
from .api import environments as environments_api
from .api import hindsight as hindsight_api
from .api import sessions as sessions_api
from .api import steps as steps_api
from .api import tasks as tasks_api
from .api.direct import DirectSteps
from .environments import Environments, configured
from .processes.peer import Peer, listen
from .processes.router import SessionRouter
from .sessions import SessionLimits, SessionManager
from .sessions.interface import Sessions
from .settings import EnvSettings

__all__ = ["create_app"]

_GRACE = 5.0

log = get_logger(__name__)


def create_app(
    settings: EnvSettings, environments: Environments | None = None, *, slot: int = 0, folder: Path | None = None
) -> FastAPI:
    """Build the app of the service. `environments` defaults to those of the settings.

    `slot` is the number of this process, from 0. `folder` has the sockets of all processes; None if there is only one.
    """
    offered = environments or configured(settings)
    processes = settings.env_workers if folder else 1
    manager = SessionManager(offered, limits_of(settings, slot, processes), slot=slot)
    peers = {n: Peer(folder / f"{n}.sock") for n in range(processes) if n != slot} if folder else {}
    sessions: Sessions = SessionRouter(slot, {**peers, slot: manager}) if peers else manager

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        reaper = asyncio.create_task(_reap(manager))
        server = await listen(manager, folder / f"{slot}.sock") if folder else None
        try:
            yield
        finally:
            reaper.cancel()
            with suppress(asyncio.CancelledError):
                await reaper
            if server is not None:
                server.close()
            for peer in peers.values():
                peer.disconnect()
            await manager.aclose()
            await asyncio.to_thread(offered.close)

    async def ready() -> dict[str, Any]:
        missing = await asyncio.to_thread(offered.missing)
        required = [name for name in map(str.strip, settings.env_required.split(",")) if name]
        lacking = {name: missing.get(name, f"There is no environment {name!r}.") for name in required}
        lacking = {name: why for name, why in lacking.items() if name in missing or name not in offered}
        if lacking:
            names = ", ".join(lacking)
            raise UnavailableError(
                f"A3T_ENV_REQUIRED names {names}, which cannot be used now.",
                hint=" ".join(lacking.values()),
                missing=missing,
            )
        if len(missing) == len(list(offered)):
            raise UnavailableError("No environment can be used.", hint=" ".join(missing.values()), missing=missing)
        return {"environments": [name for name in offered if name not in missing], "missing": missing}

    app = create_service(
        "env",
        settings,
        [
            environments_api.router,
            tasks_api.router,
            hindsight_api.router,
            sessions_api.router,
            steps_api.router,
            *agentgym.routers(),
            openenv.router,
        ],
        lifespan=lifespan,
        ready=ready,
        inner=[Middleware(DirectSteps, sessions=sessions)],
        bodies=BodyLimits(settings.env_max_body_bytes),
        token_in_url=True,
        description="Sessions of environments over HTTP.",
    )
    app.state.environments = offered
    app.state.sessions = sessions
    return app


def limits_of(settings: EnvSettings, slot: int = 0, processes: int = 1) -> SessionLimits:
    """Return the limits of one process, which holds an equal share of the sessions.

    Engines in child processes enforce their deadlines themselves, because they can kill a child that hangs. The
    deadlines of the session manager are a little longer; they are for the other engines.
    """
    return SessionLimits(
        max_sessions=settings.env_max_sessions // processes + (slot < settings.env_max_sessions % processes),
        idle_seconds=settings.env_idle_seconds,
        start_deadline=settings.env_start_deadline + _GRACE,
        step_deadline=settings.env_step_deadline + _GRACE,
        threads=settings.env_threads,
        remembered_ids=settings.env_remembered_ids,
    )


async def _reap(manager: SessionManager) -> None:
    """Close idle sessions again and again, a few times in each idle time."""
    while True:
        await asyncio.sleep(min(30.0, manager.limits.idle_seconds / 4))
        try:
            await manager.reap()
        except Exception:
            log.exception("reaper.failed")
