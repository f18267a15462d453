"""The child process around the official engine: one game at a time, JSON lines on stdin and a private stdout.

Requests: {"op": "load", "path": …}, {"op": "start"}, {"op": "step", "command": …}. Replies: {"ok": {…}} or
{"error": "…"}. A state is {"text", "actions", "won"}. The process ends when stdin is closed, even in the middle of a
step, so that no child outlives its parent.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import sys
import threading
from typing import IO, Any

__all__ = ["main"]


class _Game:
    """The game at hand, through textworld and alfworld's renaming; never with an expert."""

    def __init__(self) -> None:
        self._env: Any = None

    def load(self, path: str) -> dict[str, Any]:
        import textworld
        from alfworld.agents.environment.alfred_tw_env import AlfredDemangler

        self._env = None
        infos = textworld.EnvInfos(won=True, admissible_commands=True)
        self._env = textworld.start(path, request_infos=infos, wrappers=[AlfredDemangler(shuffle=False)])
        return {}

    def start(self) -> dict[str, Any]:
        return _state(self._env.reset())

    def step(self, command: str) -> dict[str, Any]:
        state, _, _ = self._env.step(command)
        return _state(state)


def _state(state: Any) -> dict[str, Any]:
    return {"text": state["feedback"], "actions": state["admissible_commands"], "won": bool(state["won"])}


def _answer(game: _Game, request: dict[str, str]) -> dict[str, Any]:
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


def main() -> None:
    """Serve requests until stdin is closed."""
    argparse.ArgumentParser(
        prog="python -m a3t_env.alfworld.official.child",
        description="Plays games on the official ALFWorld engine, one at a time. The env service starts it; requests "
        "come as JSON lines on standard input, replies go to standard output. It reads no settings.",
    ).parse_args()
    replies = _private_stdout()
    requests: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(requests,), daemon=True).start()
    game = _Game()
    while True:
        replies.write(json.dumps(_answer(game, json.loads(requests.get()))) + "\n")


if __name__ == "__main__":
    main()
