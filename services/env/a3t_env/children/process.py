"""A supervised child process: requests with deadlines, replies, and a certain end."""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Any

from a3t_contracts.errors import DeadlineError, InvalidInputError, UpstreamError

__all__ = ["ChildProcess", "ChildProgram"]

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """What children run: a module that calls `serve`, and what it is called in errors ("the official engine")."""

    module: str
    name: str


class ChildProcess:
    """One running child. After a deadline or a death it is killed and every further call raises UpstreamError."""

    def __init__(self, program: ChildProgram) -> None:
        self._name = program.name
        environment = os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(  # noqa: S603  the module is one of an installed package
            [sys.executable, "-m", program.module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._buffer = b""
        self.games = 0
        """Games loaded so far."""

    @property
    def pid(self) -> int:
        """Process id of the child."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
        return self._process.poll() is None

    @property
    def _sentence(self) -> str:
        return self._name[0].upper() + self._name[1:]

    def ask(self, seconds: float, op: str, **arguments: str) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            DeadlineError: no reply within `seconds`; the child is killed.
            UpstreamError: the child is dead.
            InvalidInputError: the engine refused, for example to load a broken game.
        """
        try:
            line = self._exchange(seconds, json.dumps({"op": op, **arguments}).encode() + b"\n")
        except (DeadlineError, OSError) as error:
            self.kill()
            if isinstance(error, DeadlineError):
                raise
            raise UpstreamError(f"The process of {self._name} died during {op!r}.") from error
        reply = json.loads(line)
        if "error" in reply:
            raise InvalidInputError(f"{self._sentence} failed to {op}: {reply['error']}")
        answer: dict[str, Any] = reply["ok"]
        return answer

    def kill(self) -> None:
        """End the child at once. Safe to call again."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()

    def _exchange(self, seconds: float, request: bytes) -> bytes:
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None or stdin.closed or not self.alive:
            raise BrokenPipeError("the child is not running")
        stdin.write(request)
        stdin.flush()
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while b"\n" not in self._buffer:
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise DeadlineError(f"{self._sentence} did not answer within {seconds:g} s.")
                chunk = os.read(stdout.fileno(), _CHUNK)
                if not chunk:
                    raise BrokenPipeError("the child closed its output")
                self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line
