"""The trainer service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from fastapi import FastAPI

from a3t_contracts.errors import UnavailableError
from a3t_contracts.service import BodyLimits, create_service, watch_gpus

from .api import adapters, files, jobs
from .settings import TrainerSettings
from .state import TrainerState

__all__ = ["create_app"]


def create_app(settings: TrainerSettings) -> FastAPI:
    """Build the app: files, fine-tuning jobs and the adapter registry over HTTP. Jobs run in child processes."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        app.state.trainer = state = await asyncio.to_thread(TrainerState.of, settings)
        app.state.job_loop = job_loop = asyncio.create_task(state.supervisor.run())
        yield
        job_loop.cancel()
        with suppress(asyncio.CancelledError):
            await job_loop

    async def ready() -> dict[str, Any]:
        job_loop: asyncio.Task[None] | None = getattr(app.state, "job_loop", None)
        if job_loop is None or job_loop.done():
            raise UnavailableError("The trainer's job queue is not running.")
        return {"queued": len(app.state.trainer.jobs.queued())}

    routers = [files.router, jobs.router, adapters.router]
    bodies = BodyLimits(settings.trainer_max_body_bytes, {"/v1/files": settings.trainer_max_upload_bytes})
    app = create_service("trainer", settings, routers, lifespan=lifespan, ready=ready, bodies=bodies)
    watch_gpus()
    return app
