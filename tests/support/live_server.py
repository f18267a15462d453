"""Runs an ASGI app on a real port in a thread, for tests with real clients."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import uvicorn
from starlette.types import ASGIApp

from a3t_contracts.service import BoundedProtocol, ConnectionLimits


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def live_server(
    app: ASGIApp, port: int = 0, limits: ConnectionLimits | None = None, patience: float = 60
) -> Iterator[str]:
    """The base URL of the running app; it is stopped on exit. Port 0 takes a free one. `patience`: seconds that its
    start may take."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            started.set()

    server = Server(
        uvicorn.Config(
            app,
            log_config=None,
            lifespan="on",
            timeout_graceful_shutdown=1,
            timeout_keep_alive=75,
            http=partial(BoundedProtocol, limits=limits or ConnectionLimits()),  # type: ignore[arg-type]
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        if not started.wait(patience):
            raise RuntimeError("the app did not start; see the log above")
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(30)
        listener.close()
