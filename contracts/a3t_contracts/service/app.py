"""`create_service`: an app with everything that is not the service's own."""

from __future__ import annotations

import functools
import hmac
import os
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any, Literal

import structlog
import uvicorn
from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .. import __version__
from ..errors import (
    PROBLEM_JSON,
    A3TError,
    InvalidInputError,
    MediaTypeError,
    Problem,
    UnauthorizedError,
    error_from_problem,
)
from ..logging import configure_logging, get_logger
from ..settings import ServiceSettings
from .body import BodyLimits, drain

__all__ = ["EVENT_LOOP", "KEEP_ALIVE", "ReadyCheck", "create_service", "serve"]

ReadyCheck = Callable[[], Awaitable[dict[str, Any]]]
Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
ErrorBody = Callable[[A3TError, Problem], dict[str, Any]]

EVENT_LOOP: Literal["asyncio"] = "asyncio"
"""uvloop accepts one connection an iteration: of 2,048 clients that come at once the last wait for seconds. It is not
faster here either."""
KEEP_ALIVE = 75
"""Seconds that an unused connection stays open. Clients give theirs up after 5 (httpx's default); a service that
does so at the same time would close connections under requests that are on their way."""

_USUAL_BODIES = BodyLimits(2**20)
_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"})
"""Those that are counted by name: what clients make up must not fill the memory."""
_OPEN_PATHS = frozenset({"/health", "/ready", "/metrics", "/docs", "/openapi.json"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""What a client's own request id may be: it is logged and sent back, so it holds nothing that a terminal obeys."""
_REQUESTS = Counter("a3t_http_requests_total", "HTTP requests", ["service", "route", "method", "status"])
_SECONDS = Histogram("a3t_http_request_seconds", "Seconds to answer", ["service", "route"])

log = get_logger(__name__)


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
) -> FastAPI:
    """A FastAPI app with the shared shell around `routers`.

    `GET /health` says that the process lives, `GET /ready` that it can take work (`ready` raises an A3TError if
    not), `GET /metrics` is for Prometheus. These and the API docs are open, the rest needs the bearer token.
    `error_body` may change the JSON of an error (e.g. to add OpenAI's `error` member). `inner` are middlewares
    inside the shell, the outermost first: they see authorised requests only and may raise A3TErrors. `bodies`: longer
    request bodies are refused with 413. Routes with a JSON body are `JsonRoute`s, so that long ones hold up nobody.
    """
    app = FastAPI(title=f"A³T {name}", version=__version__, description=description, lifespan=lifespan)
    for router in routers:
        app.include_router(router)
    _add_probes(app, name, ready)
    _add_error_handlers(app, error_body)
    body = error_body or _plain_body
    for middleware in reversed(inner):
        app.add_middleware(middleware.cls, *middleware.args, **middleware.kwargs)
    app.add_middleware(_Shell, service=name, settings=settings, body=body, bodies=bodies)
    return app


def serve(app: FastAPI, settings: ServiceSettings, service: str) -> None:
    """Run the app until SIGINT or SIGTERM; running requests are finished."""
    configure_logging(service, settings.log_level, settings.log_json)
    uvicorn.run(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,
        loop=EVENT_LOOP,
        timeout_graceful_shutdown=10,
        timeout_keep_alive=KEEP_ALIVE,
    )


def _plain_body(_: A3TError, problem: Problem) -> dict[str, Any]:
    return problem.model_dump(exclude_none=True)


def problem_response(error: A3TError, instance: str, body: ErrorBody = _plain_body) -> JSONResponse:
    """The HTTP reply of an error."""
    retry_after = getattr(error, "retry_after", None)
    headers = {"Retry-After": str(max(1, round(retry_after)))} if retry_after is not None else None
    content = body(error, error.problem(instance))
    return JSONResponse(content, error.status, headers=headers, media_type=PROBLEM_JSON)


def _add_probes(app: FastAPI, name: str, ready: ReadyCheck | None) -> None:
    @app.get("/health", tags=["probes"])
    async def health() -> dict[str, Any]:
        """The process lives."""
        return {"status": "ok", "service": name, "version": __version__}

    @app.get("/ready", tags=["probes"])
    async def ready_probe() -> dict[str, Any]:
        """The service can take work."""
        return {"status": "ready"} | (await ready() if ready else {})

    @app.get("/metrics", tags=["probes"], response_class=PlainTextResponse)
    async def metrics() -> Response:
        """Prometheus metrics."""
        return Response(generate_latest(_metrics_registry()), media_type=CONTENT_TYPE_LATEST)


def _metrics_registry() -> CollectorRegistry:
    """The metrics of this process, or of all worker processes where PROMETHEUS_MULTIPROC_DIR names their folder."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]
    return together


def _add_error_handlers(app: FastAPI, error_body: ErrorBody | None) -> None:
    body = error_body or _plain_body

    @app.exception_handler(A3TError)
    async def on_known(request: Request, error: A3TError) -> JSONResponse:
        return problem_response(error, request.url.path, body)

    @app.exception_handler(RequestValidationError)
    async def on_invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        if isinstance(error.body, bytes) and error.body:  # FastAPI leaves a body as bytes unless it is said to be JSON
            return problem_response(_not_json(request), request.url.path, body)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        places = [{"where": ".".join(map(str, e["loc"])), "message": e["msg"]} for e in error.errors()[:20]]
        return problem_response(InvalidInputError(f"{where}: {first['msg']}.", errors=places), request.url.path, body)

    @app.exception_handler(HTTPException)
    async def on_http(request: Request, error: HTTPException) -> JSONResponse:
        where = f"{error.detail}: {request.method} {request.url.path}"
        typed = error_from_problem(Problem(title="", status=error.status_code, detail=where))
        problem = typed.problem(request.url.path)
        problem.status, problem.title = error.status_code, HTTPStatus(error.status_code).phrase
        return JSONResponse(
            body(typed, problem),
            error.status_code,
            headers=error.headers and dict(error.headers),
            media_type=PROBLEM_JSON,
        )


class _Shell:
    """Bearer token, body limit, request id, metrics, and a clean 500; plain ASGI because it is on the hot path."""

    def __init__(
        self, app: ASGIApp, service: str, settings: ServiceSettings, body: ErrorBody, bodies: BodyLimits
    ) -> None:
        self.app = app
        self.service = service
        self.body = body
        self.bodies = bodies
        self.expected = f"Bearer {settings.token.get_secret_value()}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id", b""))
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started, status = time.perf_counter(), 500

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", []),
                    (b"x-request-id", request_id.encode("ascii")),
                ]
            await send(message)

        try:
            await self._guarded(scope, headers, receive, tagged)
        finally:
            route = getattr(scope.get("route"), "path", "unmatched")
            method = scope["method"] if scope["method"] in _METHODS else "other"
            _requests(self.service, route, method, status).inc()
            _seconds(self.service, route).observe(time.perf_counter() - started)

    async def _guarded(self, scope: Scope, headers: dict[bytes, bytes], receive: Receive, send: Send) -> None:
        refusal = self._refusal(scope, headers)
        if refusal is None and (refusal := self.bodies.refusal(scope, headers)) is not None:
            await drain(headers, receive)
        if refusal is not None:
            await problem_response(refusal, scope["path"], self.body)(scope, receive, send)
            return
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, self.bodies.guard(scope, headers, receive), watched)
        except A3TError as error:
            await problem_response(error, scope["path"], self.body)(scope, receive, send)
        except Exception:
            log.exception("request.failed", path=scope["path"])
            if started:
                raise
            hidden = A3TError("An unexpected error; the service's log has it under this reply's X-Request-Id.")
            await problem_response(hidden, scope["path"], self.body)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> A3TError | None:
        if scope["path"] not in _OPEN_PATHS and not hmac.compare_digest(
            headers.get(b"authorization", b""), self.expected
        ):
            return UnauthorizedError(
                "The bearer token is missing or wrong.", hint="Send `Authorization: Bearer $A3T_TOKEN`."
            )
        return None


@functools.lru_cache(maxsize=1024)
def _requests(service: str, route: str, method: str, status: int) -> Counter:
    """The counter of these labels; kept, because looking it up costs more than counting."""
    return _REQUESTS.labels(service, route, method, status)


@functools.lru_cache(maxsize=256)
def _seconds(service: str, route: str) -> Histogram:
    return _SECONDS.labels(service, route)


def _request_id(given: bytes) -> str:
    """The client's id where it is a short plain token, else a new one."""
    return given.decode("ascii") if _REQUEST_ID.fullmatch(given) else os.urandom(8).hex()


def _not_json(request: Request) -> MediaTypeError:
    given = request.headers.get("content-type")
    what = f"is sent as {given[:100]!r}" if given else "comes without a Content-Type header"
    hint = "Send the header `Content-Type: application/json` (curl: -H 'Content-Type: application/json')."
    return MediaTypeError(f"The request body {what}; this service reads JSON.", hint=hint)
