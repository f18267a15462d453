"""Balances load over equal upstream servers. A call goes to the least busy healthy server, and to the next one if it
fails.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
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
    adapters: dict[str, int] = field(default_factory=dict)
    """Versions that the server is known to serve, each with a number that counts its loadings."""
    loading: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held while a version is loaded, because many calls may notice at the same time that it is missing."""
    warm: bool = False
    """Whether the server has answered since it last could not be reached. Its first answer may take minutes."""
    loads: int = 0

    def loaded(self, version: str) -> None:
        """Record that the server serves a version."""
        self.loads += 1
        self.adapters[version] = self.loads

    def lost(self, version: str, load: int) -> None:
        """Record that a version is gone, unless it was loaded again since its loading number `load`."""
        if self.adapters.get(version) == load:
            del self.adapters[version]

    def failed(self) -> None:
        """Record that a call failed. The server gets no calls during a pause of 0.5 s, which doubles with each failure
        in a row up to 30 s."""
        self.failures += 1
        self.pause = min(_LONGEST_PAUSE, max(_FIRST_PAUSE, 2 * self.pause))
        self.paused_until = time.monotonic() + self.pause

    def worked(self) -> None:
        """Record that a call succeeded: a pause is over."""
        self.warm = True
        self.pause = self.paused_until = 0.0

    @property
    def healthy(self) -> bool:
        """Whether the server takes requests now: false while it pauses after failures."""
        return time.monotonic() >= self.paused_until


class Upstreams:
    """Failover and back-pressure over upstream servers.

    Args:
        urls: servers; among equally busy ones, the earlier is preferred.
        concurrency: largest number of running calls per server.
        queue: largest number of waiting calls; a further one gets OverloadedError.
        timeout: seconds for one attempt; a call takes at most this times the number of servers.
        first_timeout: seconds for an attempt at a server that is not warm, and for loading a version.
    """

    def __init__(self, urls: Sequence[str], concurrency: int, queue: int, timeout: float, first_timeout: float) -> None:
        self.servers = [Upstream(url) for url in urls]
        self.queue, self.timeout, self.first_timeout = queue, timeout, first_timeout
        self._warming: dict[Upstream, asyncio.Task[bool]] = {}
        self._places = asyncio.Semaphore(concurrency * len(urls))
        self.load = 0
        self._capacity = concurrency * len(urls) + queue

    def admit(self, count: int) -> None:
        """Raise OverloadedError if there is no room for `count` more calls."""
        if self.load + count > self._capacity:
            raise OverloadedError(
                f"{self.load} calls to the upstreams are running or waiting.", hint="Try again later."
            )

    async def call(self, ask: Callable[[Upstream], Awaitable[T]]) -> T:
        """Return the answer of the first server that gives one. An error in the request itself is raised at once."""
        async with self.place():
            return await self._first_answer(ask)

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Hold a place among the running calls. Raises OverloadedError if too many calls wait."""
        self.admit(1)
        self.load += 1
        try:
            async with self._places:
                yield
        finally:
            self.load -= 1

    async def warm_up(self, ask: Callable[[Upstream], Awaitable[object]]) -> None:
        """Ask every server for a first answer, which may take minutes. Returns when one has answered or all have
        failed; the other calls continue in the background.
        """
        for answered in asyncio.as_completed(self.begin_warm_up(ask)):
            if await answered:
                return

    def begin_warm_up(self, ask: Callable[[Upstream], Awaitable[object]]) -> list[asyncio.Task[bool]]:
        """Ask every server that has not answered yet, unless a call runs, for a first answer in the background. Each
        task returns whether its server answered.
        """
        tasks = []
        for server in self.servers:
            if server.warm or server in self._warming:
                continue
            task = asyncio.create_task(self._first_of(server, ask))
            self._warming[server] = task
            task.add_done_callback(partial(self._warmed, server))
            tasks.append(task)
        return tasks

    def _warmed(self, server: Upstream, _: asyncio.Task[bool]) -> None:
        self._warming.pop(server, None)

    @property
    def warming(self) -> bool:
        """Whether a server has not given its first answer yet."""
        return bool(self._warming)

    async def aclose(self) -> None:
        """End the calls that still run in the background."""
        tasks = list(self._warming.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def attempt(self, server: Upstream, ask: Callable[[Upstream], Awaitable[T]], *, loading: bool = False) -> T:
        """Call one server once, within the deadline, and update its health and load. Raises DeadlineError.

        Args:
            loading: whether the call loads a version, which may take as long as a first answer.
        """
        limit = self.timeout if server.warm and not loading else max(self.timeout, self.first_timeout)
        server.running += 1
        try:
            async with asyncio.timeout(limit):
                answer = await ask(server)
        except TimeoutError as error:
            server.failed()
            raise DeadlineError(
                f"{server.url} did not answer within {limit:g} s.",
                hint="Raise A3T_POLICY_UPSTREAM_TIMEOUT, or check the server's load.",
            ) from error
        except OverloadedError:
            raise  # a busy server is not unhealthy
        except _PASSING as error:
            server.warm = server.warm and not isinstance(error, UnavailableError)
            server.failed()
            raise
        finally:
            server.running -= 1
        server.worked()
        return answer

    def order(self) -> list[Upstream]:
        """The servers, healthy ones first, then the less busy."""
        return sorted(self.servers, key=lambda s: (not s.healthy, s.running))

    async def _first_of(self, server: Upstream, ask: Callable[[Upstream], Awaitable[object]]) -> bool:
        before = time.monotonic()
        try:
            await self.attempt(server, ask)
        except A3TError as error:
            log.warning("upstream.cold", url=server.url, reason=str(error))
            return False
        log.info("upstream.warm", url=server.url, seconds=round(time.monotonic() - before, 1))
        return True

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
    """Return the error for the client after every server failed: OverloadedError if any server was only busy, else
    the last error.
    """
    busy = [error for error in failures if isinstance(error, OverloadedError)]
    return busy[-1] if busy else failures[-1]
