"""The child's side: JSON lines on stdin and a private stdout.

A request is {"op": name, …arguments}, a reply {"ok": {…}} or {"error": "…"}. The process ends when stdin is closed,
even in the middle of a request, so that no child outlives its parent.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
from typing import IO, Any, NoReturn, Protocol

__all__ = ["ChildGame", "serve"]


class ChildGame(Protocol):
    """The game at hand in a child. A state is a JSON object of the engine's own."""

    def load(self, path: str) -> dict[str, Any]:
        """Take a game file in place of the present one."""

    def start(self) -> dict[str, Any]:
        """Begin (anew); the first state."""

    def step(self, command: str) -> dict[str, Any]:
        """Do a command; the state after it."""


def serve(game: ChildGame, module: str, what: str) -> NoReturn:
    """Answer requests until stdin is closed.

    Args:
        module: the program's name for --help.
        what: what it plays, in words.
    """
    argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=f"{what} The env service starts it; requests come as JSON lines on standard input, replies go to "
        "standard output. It reads no settings.",
    ).parse_args()
    replies = _private_stdout()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    while True:
        replies.write(json.dumps(_answer(game, json.loads(requests.get()))) + "\n")


def _answer(game: ChildGame, request: dict[str, str]) -> dict[str, Any]:
    operation = request.pop("op")
    try:
        return {"ok": getattr(game, operation)(**request)}
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:500]}"}


def _read(requests: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    os._exit(0)


def _private_stdout() -> IO[str]:
    """The real stdout for replies; whatever the libraries print goes to stderr."""
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return replies
