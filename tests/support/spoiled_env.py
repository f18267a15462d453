"""A remote environment that misbehaves: an ASGI app in front of a real one, and a server that drips bytes."""

from __future__ import annotations

import socket
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["GARBAGE", "Spoiled", "dripping_server"]

GARBAGE: dict[str, tuple[int, bytes]] = {
    "no JSON": (200, b"<html>Welcome</html>"),
    "another type": (200, b'{"observation": 7, "reward": 0, "done": false}'),
    "no observation": (200, b'{"reward": 0, "done": false}'),
    "a list": (200, b"[1, 2, 3]"),
    "a NaN": (200, b'{"observation": "x", "reward": NaN, "done": false}'),
    "an infinite reward": (200, b'{"observation": "x", "reward": 1e999, "done": false}'),
    "a null byte": (200, b'{"observation": "a\\u0000b", "reward": 0, "done": false}'),
    "ten megabytes": (200, b'{"observation": "' + b"x" * 10_000_000 + b'", "reward": 0, "done": false}'),
    "deep nesting": (200, b"[" * 100_000),
    "a redirect": (307, b""),
    "an error": (500, b"Traceback: the game broke"),
    "nothing": (200, b""),
}
"""Kind of a reply → status and body."""


class Spoiled:
    """Forwards to `app`. Each step takes one fault off `faults`: a key of GARBAGE; `lost` makes the step and cuts the
    connection before its reply; `cut` cuts without making it; `busy` answers 429; `ok` forwards.

    `asked` counts the requests by method and path without the episode's id.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.faults: deque[str] = deque()
        self.asked: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        parts = scope["path"].split("/")
        self.asked.append(f"{scope['method']} /{'/'.join(part for n, part in enumerate(parts[1:]) if n != 1)}")
        fault = self.faults.popleft() if self.faults and parts[-1] == "step" else "ok"
        if fault == "ok":
            await self._app(scope, receive, send)
        elif fault in GARBAGE:
            await _answer(send, *GARBAGE[fault])
        elif fault == "busy":
            await _answer(send, 429, b'{"detail": "later"}')
        else:
            if fault == "lost":
                await self._app(scope, receive, _nowhere)
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"99")]})
            await send({"type": "http.response.body", "body": b'{"obser'})


async def _nowhere(_: Message) -> None:
    """Takes a reply that nobody gets."""


async def _answer(send: Send, status: int, body: bytes) -> None:
    headers = [(b"content-type", b"application/json"), (b"location", b"http://127.0.0.1:9/")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextmanager
def dripping_server(beginning: bytes, port: int = 0) -> Iterator[str]:
    """A server at `port` that answers every request with `beginning` and then one byte each 50 ms, for ever."""
    stopped = threading.Event()
    listener = socket.create_server(("127.0.0.1", port))
    listener.settimeout(0.1)

    def drip(connection: socket.socket) -> None:
        with connection:
            connection.recv(65536)
            connection.sendall(beginning)
            while not stopped.wait(0.05):
                try:
                    connection.sendall(b"a")
                except OSError:
                    return

    def accept() -> None:
        while not stopped.is_set():
            try:
                connection, _ = listener.accept()
            except TimeoutError:
                continue
            connection.setblocking(True)
            threading.Thread(target=drip, args=(connection,), daemon=True).start()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        stopped.set()
        thread.join(10)
        listener.close()
