"""Runs blocking calls of engines in threads, each with a deadline and the log context of its caller."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from a3t_contracts.errors import DeadlineError

from ..errors import NotBegunError

__all__ = ["EnginePools", "EngineThreads", "NotBegunError", "StuckError"]

ResultT = TypeVar("ResultT")


class StuckError(DeadlineError):
    """A call did not return in time; its thread is still running."""


class EngineThreads:
    """Threads for blocking calls, and a few further threads for closing, which must work while the others hang."""

    def __init__(self, threads: int) -> None:
        self._calls = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._closers = ThreadPoolExecutor(4, thread_name_prefix="engine-close")

    async def call(
        self, run: Callable[[], ResultT], deadline: float, what: str, late: Callable[[ResultT], object] | None = None
    ) -> ResultT:
        """Run `run` in a thread. A result that arrives after the deadline is passed to `late`.

        Raises StuckError if the call takes longer than `deadline` seconds, NotBegunError if no thread became free.
        """
        submitted = self._calls.submit(contextvars.copy_context().run, run)
        wrapped = asyncio.wrap_future(submitted)
        done, _ = await asyncio.wait({wrapped}, timeout=deadline)
        if done:
            return wrapped.result()
        if submitted.cancel():
            raise NotBegunError(
                f"{what} waited {deadline:g} s for a free thread and did not begin.",
                hint="Repeat the request, or raise A3T_ENV_THREADS.",
            )
        submitted.add_done_callback(lambda finished: _after(finished, late))
        wrapped.add_done_callback(lambda finished: finished.cancelled() or finished.exception())
        raise StuckError(f"{what} took longer than {deadline:g} s.")

    async def close(self, run: Callable[[], None]) -> None:
        """Run `run` in a thread that no stuck call can occupy."""
        await asyncio.wrap_future(self._closers.submit(contextvars.copy_context().run, run))

    def shutdown(self) -> None:
        """Accept no more calls. Does not wait for threads that hang."""
        self._calls.shutdown(wait=False, cancel_futures=True)
        self._closers.shutdown(wait=True)


class EnginePools:
    """A thread pool for each environment, so that an environment that hangs does not block the others."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pools: dict[str, EngineThreads] = {}

    def of(self, environment: str) -> EngineThreads:
        """The threads of an environment. They are started when they are needed."""
        if environment not in self._pools:
            self._pools[environment] = EngineThreads(self._threads)
        return self._pools[environment]

    def shutdown(self) -> None:
        """See `EngineThreads.shutdown`."""
        for pool in self._pools.values():
            pool.shutdown()


def _after(finished: Future[ResultT], late: Callable[[ResultT], object] | None) -> None:
    if late is not None and not finished.cancelled() and finished.exception() is None:
        late(finished.result())
