"""Runs an app under uvicorn."""

from __future__ import annotations

import resource
from functools import partial
from typing import Any, Literal

import uvicorn
from fastapi import FastAPI

from ..collector import freeze_loaded
from ..logging import configure_logging
from ..settings import ServiceSettings
from .connection import BoundedProtocol, ConnectionLimits

__all__ = ["serve", "server_options"]

_EVENT_LOOP: Literal["asyncio"] = "asyncio"
"""Why not uvloop: it accepts one connection per iteration, so that of 2,048 clients that connect at once the last ones
wait for seconds; and it is not faster for these services."""
_KEEP_ALIVE = 75
"""Seconds that an idle connection stays open. httpx closes idle connections after 5 seconds by default; a server with
the same value would close connections while a request is on its way."""

_MAX_MESSAGE = 2**20
"""Largest message of a WebSocket in bytes."""
_OPEN_FILES = 65_536
"""Number of files and connections that a process may have open at once, if the system's hard limit allows it."""


def serve(app: FastAPI, settings: ServiceSettings, service: str) -> None:
    """Run the app until SIGINT or SIGTERM. Requests that have begun are finished first."""
    configure_logging(service, settings.log_level, settings.log_json)
    freeze_loaded()
    uvicorn.run(app, **server_options(settings))


def server_options(settings: ServiceSettings) -> dict[str, Any]:
    """Return the uvicorn options that all services share."""
    _allow_connections()
    return {
        "http": partial(BoundedProtocol, limits=ConnectionLimits.of(settings)),
        "ws_max_size": _MAX_MESSAGE,
        "host": settings.host,
        "port": settings.port,
        "proxy_headers": False,  # only the dashboard needs the original scheme, and it reads the header itself
        "log_config": None,
        "access_log": False,
        "loop": _EVENT_LOOP,
        "timeout_graceful_shutdown": 10,
        "timeout_keep_alive": _KEEP_ALIVE,
    }


def _allow_connections() -> None:
    """Raise the soft limit of open files, which is often 1,024 although the hard limit is higher."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
