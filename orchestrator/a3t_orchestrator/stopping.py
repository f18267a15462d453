"""Learns that the process is asked to stop when it is asked, not when its connections have ended."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["told_of_stop"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_of_stop(tell: Callable[[], object]) -> Iterator[None]:
    """Call `tell` when SIGTERM or SIGINT comes, and then the server's own handler. Streams that last as long as a run
    would otherwise hold the server up until its patience ends. Does nothing outside the main thread."""
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
