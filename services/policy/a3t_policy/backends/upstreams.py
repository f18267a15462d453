"""Balances load over equal upstream servers: the least busy healthy server first, the next one if it fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from a3t_contracts.errors import A3TError, DeadlineError, OverloadedError, UnavailableError, UpstreamError
from a3t_contracts.logging import get_logger

__all__ = ["Upstream", "Upstreams"]

T = TypeVar("T")
log = get_logger(__name__)

_PASSING = (DeadlineError, OverloadedError, UnavailableError, UpstreamError)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0


@dataclass(eq=False, slots=True)
class Upstream:
    """One server: its running calls, its pause after failures, and the adapters that it is known to serve."""

    url: str
    running: int = 0
    pause: float = 0.0
    paused_until: float = 0.0
    failures: int = 0
    adapters: set[str] = field(default_factory=set)

    def failed(self) -> None:
        """Record that a call failed. The server gets no calls during a pause of 0.5 s, which doubles with each failure
        in a row up to 30 s."""
        self.failures += 1
        self.pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self.pause))
        self.paused_until = time.monotonic() + self.pause

    def worked(self) -> None:
        """Record that a call succeeded: a pause is over."""
        self.pause = self.paused_until = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the server takes requests now: false while it pauses after failures."""
        return time.monotonic() >= self.paused_until


class Upstreams:
    """Failover and back-pressure over upstream servers.

    Args:
        urls: servers, in the order of preference among equally busy ones.
        concurrency: largest number of running calls per server.
        queue: largest number of callers that wait for a place; further ones get OverloadedError.
        timeout: seconds for one attempt; a call takes at most this times the number of servers.
    """

    def __init__(self, urls: Sequence[str], concurrency: int, queue: int, timeout: float) -> None:
        self.servers = [Upstream(url) for url in urls]
        self.queue, self.timeout = queue, timeout
        self._places = asyncio.Semaphore(concurrency * len(urls))
        self.load = 0
        self._capacity = concurrency * len(urls) + queue

    def admit(self, count: int) -> None:
        """Raise OverloadedError if there is no room for `count` more calls."""
        if self.load + count > self._capacity:
            raise OverloadedError(f"{self.load} calls to the upstreams are running or waiting.", hint="Try later.")

    async def call(self, ask: Callable[[Upstream], Awaitable[T]]) -> T:
        """The answer of the first server that gives one. An error of the request itself is raised at once."""
        async with self.place():
            return await self._first_answer(ask)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """A place among the running calls. Raises OverloadedError if too many callers wait."""
        self.admit(1)
        self.load += 1
        try:
            async with self._places:
                yield
        finally:
            self.load -= 1

    async def attempt(self, server: Upstream, ask: Callable[[Upstream], Awaitable[T]]) -> T:
        """Call one server once, within the deadline, and update its health and load. Raises DeadlineError."""
        server.running += 1
        try:
            async with asyncio.timeout(self.timeout):
                answer = await ask(server)
        except TimeoutError as error:
            server.failed()
            raise DeadlineError(
                f"{server.url} gave no answer within {self.timeout:g} s.",
                hint="Raise A3T_POLICY_UPSTREAM_TIMEOUT, or check the server's load.",
            ) from error
        except OverloadedError:
            raise  # busy is not broken
        except _PASSING:
            server.failed()
            raise
        finally:
            server.running -= 1
        server.worked()
        return answer

    def order(self) -> list[Upstream]:
        """The servers, healthy ones first, then the less busy."""
        return sorted(self.servers, key=lambda s: (not s.healthy, s.running))

    async def _first_answer(self, ask: Callable[[Upstream], Awaitable[T]]) -> T:
        failures: list[A3TError] = []
        for server in self.order():
            try:
                return await self.attempt(server, ask)
            except _PASSING as error:
                log.warning("upstream.failed", url=server.url, reason=str(error))
                failures.append(error)
        raise _verdict(failures)


def _verdict(failures: Sequence[A3TError]) -> A3TError:
    """The error for the client when every server failed: OverloadedError if any server is only busy, else the last
    error."""
    busy = [error for error in failures if isinstance(error, OverloadedError)]
    return busy[-1] if busy else failures[-1]
