"""The loop of a child process: reads requests as JSON lines from a private stdin, writes replies to a private stdout.

The process ends when its stdin is closed, even during a request, so that no child outlives its parent. Nothing large is
imported here, because every start of a child waits for it.
"""

from __future__ import annotations

import os
import queue
import signal
import threading
from collections.abc import Callable
from typing import Any, NoReturn

import orjson

__all__ = ["answer_requests"]


def answer_requests(answer: Callable[[dict[str, Any]], dict[str, Any]]) -> NoReturn:
    """Answer requests one by one until stdin is closed. What libraries print goes to stderr; they read an empty
    stdin.
    """
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C in a terminal reaches this process too, but the parent handles it
    source, sink = os.dup(0), os.dup(1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(source, requests), daemon=True).start()
    while True:
        _write(sink, orjson.dumps(answer(orjson.loads(requests.get()))) + b"\n")


def _read(source: int, requests: queue.SimpleQueue[bytes]) -> None:
    with os.fdopen(source, "rb") as lines:
        for line in lines:
            requests.put(line)
    os._exit(0)


def _write(sink: int, reply: bytes) -> None:
    view = memoryview(reply)
    while view:
        view = view[os.write(sink, view) :]
