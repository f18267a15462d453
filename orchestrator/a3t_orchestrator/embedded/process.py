"""Starts, supervises and stops one child process."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from a3t_contracts.child import bound
from a3t_contracts.errors import DeadlineError, UnavailableError
from a3t_contracts.logging import get_logger

__all__ = ["Child", "Program"]

_STABLE_SECONDS = 30.0
_MAX_BACK_OFF = 10.0

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Program:
    """A program to run. `is_ready` returns whether it can take work."""

    name: str
    command: list[str]
    environment: dict[str, str]
    log_file: Path
    is_ready: Callable[[], Awaitable[bool]]
    ready_seconds: float = 300.0


@dataclass(slots=True)
class Child:
    """A program and its current process. The child ends when this process ends, even when this process is killed."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    failures: int = 0
    restarts: int = 0
    _resume_at: float = field(default=0.0)

    @property
    def pid(self) -> int | None:
        """Process id while the process runs."""
        return self.process.pid if self.process is not None and self.process.poll() is None else None

    @property
    def created(self) -> float | None:
        """Start time of the process by the kernel's clock; distinguishes it from a later process with the same id."""
        try:
            return psutil.Process(self.pid).create_time() if self.pid else None
        except psutil.NoSuchProcess:
            return None

    def start(self) -> None:
        """Start the process; its output is appended to the log file."""
        program = self.program
        program.log_file.parent.mkdir(parents=True, exist_ok=True)
        command = bound(program.command)
        with program.log_file.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603
                command,
                env=os.environ | program.environment,
                stdout=output,
                stderr=output,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self.started = time.monotonic()

    async def wait_ready(self) -> None:
        """Wait until the program is ready. Raises UnavailableError if it ends before that, DeadlineError if it takes
        too long. Both errors quote its log."""
        while not await self.program.is_ready():
            if self.pid is None:
                code = self.process.poll() if self.process else None
                raise UnavailableError(
                    f"{self.program.name} ended before it was ready (exit code {code}): {self._last_words()}"
                )
            if time.monotonic() - self.started > self.program.ready_seconds:
                raise DeadlineError(
                    f"{self.program.name} was not ready within {self.program.ready_seconds:.0f} s: {self._last_words()}"
                )
            await asyncio.sleep(0.1)

    def tend(self) -> bool:
        """Restart the program if it has ended, after a pause that grows with each failure. Returns whether it was
        restarted now."""
        now = time.monotonic()
        if self.pid is not None:
            if now - self.started > _STABLE_SECONDS:
                self.failures = 0
            return False
        if self._resume_at == 0.0:
            self.failures += 1
            self._resume_at = now + min(0.25 * 2**self.failures, _MAX_BACK_OFF)
            code = self.process.poll() if self.process else None
            log.warning("child.died", child=self.program.name, code=code, failures=self.failures)
        if now < self._resume_at:
            return False
        self._resume_at = 0.0
        self.restarts += 1
        self.start()
        return True

    def stop(self) -> None:
        """Ask the process to end (SIGTERM)."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """Kill the process and all processes that it started."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return

    def _last_words(self) -> str:
        lines = self.program.log_file.read_text(errors="replace").splitlines() if self.program.log_file.exists() else []
        last = next((line for line in reversed(lines) if line.strip()), "no output")
        return f"{last[:400]} (log: {self.program.log_file})"
