"""Counts what a service answers to others while heavy requests are under way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from threading import Event

import httpx

__all__ = ["Load", "health_under", "pieces"]

Heavy = Callable[[httpx.Client], httpx.Response]


@dataclass
class Load:
    """Replies to the heavy requests, in their order, and how often `/health` was answered before the last of them."""

    statuses: list[int] = field(default_factory=list)
    health: int = 0


def health_under(url: str, token: str, requests: Sequence[Heavy], clients: int = 4) -> Load:
    """Send the requests from several clients at once, and ask `/health` again and again until all are answered."""
    load = Load()
    started = Event()

    def send(request: Heavy) -> httpx.Response:
        with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=120) as http:
            started.set()
            return request(http)

    with ThreadPoolExecutor(clients) as pool, httpx.Client(base_url=url, timeout=120) as probe:
        order = [pool.submit(send, request) for request in requests]
        pending = set(order)
        started.wait()
        while pending:
            assert probe.get("/health").json()["status"] == "ok"
            _, still = wait(pending, timeout=0, return_when=FIRST_COMPLETED)
            load.health += bool(still)
            pending = still
        load.statuses = [future.result().status_code for future in order]
    return load


def pieces(megabytes: int, piece: bytes = b"[1,{}],") -> Iterator[bytes]:
    """A body that comes in pieces, without a Content-Length: so many MiB that are no whole JSON."""
    block = piece * (2**18 // len(piece))
    for _ in range(4 * megabytes):
        yield block
