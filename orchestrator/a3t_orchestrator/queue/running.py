"""What a worker has in hand, so that a stop gives it back instead of waiting for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

__all__ = ["run_cancellable", "stop_running"]

Result = TypeVar("Result")

_lock = threading.Lock()
_running: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
_stopping = threading.Event()


def run_cancellable(work: Coroutine[Any, Any, Result]) -> Result | None:
    """Run a coroutine in a loop of this thread; None where `stop_running` cancelled it."""
    return asyncio.run(_registered(work))


def stop_running() -> None:
    """Cancel what runs in every thread of this process, and what would start from now on."""
    _stopping.set()
    with _lock:
        for task, loop in _running.items():
            loop.call_soon_threadsafe(task.cancel)


async def _registered(work: Coroutine[Any, Any, Result]) -> Result | None:
    task = asyncio.ensure_future(work)
    with _lock:
        _running[task] = asyncio.get_running_loop()
    if _stopping.is_set():
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
        return None
    finally:
        with _lock:
            _running.pop(task, None)
