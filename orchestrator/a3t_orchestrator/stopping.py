"""Reports a request to stop the process at once, and not only when its connections have ended; waits for an event
without losing a cancellation."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType

__all__ = ["told_of_stop", "wait_for_event"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_of_stop(tell: Callable[[], object]) -> Iterator[None]:
    """Call `tell` on SIGTERM or SIGINT, and then the server's own handler. Otherwise streams that last as long as a run
    would delay the shutdown until the server's time limit. Outside the main thread this does nothing."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def handle(number: int, frame: FrameType | None) -> None:
        tell()
        theirs = before[signal.Signals(number)]
        if callable(theirs):
            theirs(number, frame)

    for number in _SIGNALS:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, theirs in before.items():
            signal.signal(number, theirs)


async def wait_for_event(event: asyncio.Event, seconds: float) -> None:
    """Return when the event is set, and after `seconds` at the latest.

    `asyncio.wait_for` would lose a cancellation that comes together with the event, before Python 3.12.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
