"""Builds the FastAPI app of a service with the parts that all services share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.middleware import Middleware

from .. import __version__
from ..settings import ServiceSettings
from ..tracing import app_telemetry, start_tracing, stop_tracing
from .body import BodyLimits
from .metrics import metrics_text
from .middleware import Shell
from .problems import ErrorBody, add_error_handlers, plain_body
from .roles import RouteRoles

__all__ = ["ReadyCheck", "create_service"]

ReadyCheck = Callable[[], Awaitable[dict[str, Any]]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]

_USUAL_BODIES = BodyLimits(2**20)


def create_service(
    name: str,
    settings: ServiceSettings,
    routers: Sequence[APIRouter],
    *,
    lifespan: Lifespan | None = None,
    ready: ReadyCheck | None = None,
    error_body: ErrorBody | None = None,
    description: str = "",
    inner: Sequence[Middleware] = (),
    bodies: BodyLimits = _USUAL_BODIES,
    token_in_url: bool = False,
) -> FastAPI:
    """Build a FastAPI app with the shared shell around `routers`.

    `GET /health` answers while the process runs, `GET /ready` while it can take work (`ready` raises an A3TError if
    not), and `GET /metrics` is for Prometheus. These and the API docs need no token. Every other route needs a bearer
    token with at least the route's role: see `a3t_contracts.access.needs`. `error_body` may change the JSON of an error
    (e.g. to add OpenAI's `error` member). `inner` are middlewares inside the shell, the outermost first: they see
    authorised requests only and may raise A3TErrors. `bodies` limits the size of request bodies; longer ones are
    refused with 413. Routes with a JSON body should be `JsonRoute`s, so that a long body does not hold up other
    requests. `token_in_url`: whether the token may also come as the password in a URL, for clients that cannot send
    headers. Leave it off in a service that lets browsers log in with a password, because scripts in those browsers
    would reach every route with it.
    """
    start_tracing(name, settings)
    roles = RouteRoles(routers)
    described: dict[str, Any] = {"title": f"A³T {name}", "version": __version__, "description": description}
    told_to_the_end = _traced_to_the_end(lifespan) if settings.traces else lifespan
    app = FastAPI(**described, lifespan=told_to_the_end, telemetry=app_telemetry())
    for router in routers:
        app.include_router(router)
    _add_probes(app, name, ready)
    body = error_body or plain_body
    add_error_handlers(app, body)
    for middleware in reversed(inner):
        app.add_middleware(middleware.cls, *middleware.args, **middleware.kwargs)
    app.add_middleware(
        Shell, service=name, settings=settings, body=body, bodies=bodies, roles=roles, token_in_url=token_in_url
    )
    return app


def _traced_to_the_end(lifespan: Lifespan | None) -> Lifespan:
    """Wrap the lifespan so that unsent spans are sent at its end: uvicorn then ends by the signal that it received, and
    later code would not run."""

    @asynccontextmanager
    async def traced(app: FastAPI) -> AsyncIterator[None]:
        try:
            async with lifespan(app) if lifespan is not None else nullcontext():
                yield
        finally:
            await asyncio.to_thread(stop_tracing)

    return traced


def _add_probes(app: FastAPI, name: str, ready: ReadyCheck | None) -> None:
    @app.get("/health", tags=["probes"])
    async def health() -> dict[str, Any]:
        """Answers while the process runs."""
        return {"status": "ok", "service": name, "version": __version__}

    @app.get("/ready", tags=["probes"])
    async def ready_probe() -> dict[str, Any]:
        """Answers 200 while the service can take work, else 503 with the reason."""
        return {"status": "ready"} | (await ready() if ready else {})

    @app.get("/metrics", tags=["probes"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(await metrics_text(), media_type=CONTENT_TYPE_LATEST)
