"""Calls asynchronous clients from plain code, also where an event loop runs already, as in notebooks."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

__all__ = ["Background"]

Result = TypeVar("Result")
_END: Any = object()


class Background:
    """Runs an event loop in a separate thread, which ends with the program."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="a3t-client", daemon=True)
        self._thread.start()

    def wait(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run a coroutine in the loop and return its result. Ctrl-C cancels it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def iterate(self, items: AsyncIterator[Result]) -> Iterator[Result]:
        """Yield the items of an asynchronous iterator, each as soon as it is there."""

        async def following() -> Result:
            return await anext(items, _END)

        while (item := self.wait(following())) is not _END:
            yield item

    def stop(self) -> None:
        """Stop the loop and wait at most 5 seconds for its thread to end."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        if not self._loop.is_running():
            self._loop.close()
