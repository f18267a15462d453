"""Running an app under uvicorn."""

from __future__ import annotations

from typing import Any, Literal

import uvicorn
from fastapi import FastAPI

from ..logging import configure_logging
from ..settings import ServiceSettings

__all__ = ["serve", "server_options"]

_EVENT_LOOP: Literal["asyncio"] = "asyncio"
"""uvloop accepts one connection an iteration: of 2,048 clients that come at once the last wait for seconds. It is not
faster here either."""
_KEEP_ALIVE = 75
"""Seconds that an unused connection stays open. Clients give theirs up after 5 (httpx's default); a service that
does so at the same time would close connections under requests that are on their way."""


def serve(app: FastAPI, settings: ServiceSettings, service: str) -> None:
    """Run the app until SIGINT or SIGTERM; running requests are finished."""
    configure_logging(service, settings.log_level, settings.log_json)
    uvicorn.run(app, **server_options(settings))


def server_options(settings: ServiceSettings) -> dict[str, Any]:
    """The uvicorn options that all services share."""
    return {
        "host": settings.host,
        "port": settings.port,
        "log_config": None,
        "access_log": False,
        "loop": _EVENT_LOOP,
        "timeout_graceful_shutdown": 10,
        "timeout_keep_alive": _KEEP_ALIVE,
    }
