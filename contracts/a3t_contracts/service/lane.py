"""Thread pools for work that would block the event loop for too long, one for each kind of work."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

__all__ = ["Lane"]

T = TypeVar("T")


class Lane:
    """A small thread pool for one kind of work.

    Threads that compute in Python share the interpreter with the event loop: the fewer threads there are, the sooner
    the loop continues.

    Args:
        name: name of the threads.
        threads: number of calls that run at the same time; further calls wait.
    """

    def __init__(self, name: str, threads: int) -> None:
        self._name, self._threads = name, threads
        self._pool: ThreadPoolExecutor | None = None

    async def __call__(self, run: Callable[[], T]) -> T:
        """Run a function in one of the threads, with the log context of the caller, and return its result."""
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix=f"a3t-{self._name}")
        return await asyncio.get_running_loop().run_in_executor(self._pool, contextvars.copy_context().run, run)
