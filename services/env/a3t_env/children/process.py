"""A supervised child process: requests with deadlines, replies, and a guaranteed end."""

from __future__ import annotations

import os
import selectors
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import IO, Any

import orjson

from a3t_contracts.errors import DeadlineError, InvalidInputError, UnplayableError, UpstreamError

__all__ = ["ChildProcess", "ChildProgram"]

_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class ChildProgram:
    """The program of a child process.

    Args:
        module: module to run; it calls `json_lines.answer_requests`, or `serve` for a game.
        name: name in error messages ("the official engine").
        arguments: arguments of its command line.
        keep_stderr: whether its error output goes to the error output of this process; otherwise it is discarded.
    """

    module: str
    name: str
    arguments: tuple[str, ...] = ()
    keep_stderr: bool = False


class ChildProcess:
    """One running child. If it dies or exceeds a deadline it is killed, and further calls raise UpstreamError."""

    def __init__(self, program: ChildProgram) -> None:
        self._name = program.name
        self._process = subprocess.Popen(  # noqa: S603  the module is one of an installed package
            [sys.executable, "-m", program.module, *program.arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if program.keep_stderr else subprocess.DEVNULL,
            env=os.environ | {"PYTHONUNBUFFERED": "1", "OMP_NUM_THREADS": "1"},
        )
        self.games = 0
        """Number of games loaded so far."""
        self._buffer = bytearray()
        self._using = threading.RLock()
        """Held while the pipes are read or closed."""
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pipe(self._process.stdout), selectors.EVENT_READ)

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
        """Send a request with `request`, and return the content of the reply.

        Raises:
            DeadlineError, UpstreamError: as in `request`.
            UnplayableError: the engine cannot load the game, or says that it can never be played.
            InvalidInputError: the engine refused the request.
        """
        reply = self.request(seconds, {"op": op, **arguments})
        if "error" in reply:
            kind = UnplayableError if reply.get("unplayable") else InvalidInputError
            raise kind(f"{self._sentence} failed to {op}: {reply['error']}")
        answer: dict[str, Any] = reply["ok"]
        return answer

    def request(self, seconds: float, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for its reply.

        Raises:
            DeadlineError: no reply within `seconds`; the child is killed.
            UpstreamError: the child has died, or dies during the request.
        """
        with self._using:
            try:
                reply: dict[str, Any] = orjson.loads(self._exchange(seconds, orjson.dumps(request) + b"\n"))
                return reply
            except (OSError, ValueError) as error:
                self.kill()
                raise UpstreamError(
                    f"The process of {self._name} died during {request.get('op')!r} ({self._ending()})."
                ) from error
            except DeadlineError:
                self.kill()
                raise

    def kill(self) -> None:
        """Kill the child. A request that waits for it fails. May be called more than once."""
        self._process.kill()
        self._process.wait()
        with self._using:
            self._selector.close()
            for pipe in (self._process.stdin, self._process.stdout):
                if pipe is not None and not pipe.closed:
                    _close(pipe)

    def _exchange(self, seconds: float, request: bytes) -> bytes:
        if not self.alive:
            raise BrokenPipeError("the child is not running")
        stdin, stdout = self._pipe(self._process.stdin), self._pipe(self._process.stdout)
        stdin.write(request)
        stdin.flush()
        deadline = time.monotonic() + seconds
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if not self._selector.select(max(0.0, deadline - time.monotonic())):
                raise DeadlineError(f"{self._sentence} did not answer within {seconds:g} s.")
            chunk = os.read(stdout.fileno(), _CHUNK)
            if not chunk:
                raise BrokenPipeError("the child closed its output")
            self._buffer += chunk
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return line

    def _ending(self) -> str:
        code = self._process.returncode
        return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        if pipe is None or pipe.closed:
            raise BrokenPipeError("the child's pipes are closed")
        return pipe


def _close(pipe: IO[bytes]) -> None:
    """Close a pipe whose other end is closed; unwritten data is discarded."""
    try:
        pipe.close()
    except BrokenPipeError:
        return
