"""The services as the programs that they are, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from tests.support.live_server import free_port

__all__ = ["AUTHORIZED", "Program", "running"]

AUTHORIZED = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}


@dataclass(frozen=True)
class Program:
    """A running service."""

    service: str
    url: str
    pid: int
    log: Path

    def get(self, path: str) -> httpx.Response:
        """The reply to a GET with the token."""
        return httpx.get(f"{self.url}{path}", headers=AUTHORIZED, timeout=60)

    def post(self, path: str, body: Any) -> httpx.Response:
        """The reply to a POST with the token."""
        return httpx.post(f"{self.url}{path}", json=body, headers=AUTHORIZED, timeout=60)


@contextmanager
def running(
    services: Sequence[str], home: Path, variables: dict[str, str] | None = None
) -> Iterator[dict[str, Program]]:
    """Services over one A3T_HOME, by name, once they are ready; ended on exit."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("A3T_")}
    common = kept | {"A3T_HOME": str(home), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"} | (variables or {})
    with ExitStack() as stack:
        started = {name: stack.enter_context(_started(name, home, common)) for name in services}
        for program in started.values():
            _until_healthy(program)
        yield started


@contextmanager
def _started(service: str, home: Path, common: dict[str, str]) -> Iterator[Program]:
    port, log = free_port(), home / f"{service}.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", f"a3t_{service}"], env=common | {"A3T_PORT": str(port)}, stdout=file, stderr=file
        )
    try:
        yield Program(service, f"http://127.0.0.1:{port}", process.pid, log)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(20)


def _until_healthy(program: Program) -> None:
    waits = Retrying(
        retry=retry_if_exception_type(httpx.HTTPError), stop=stop_after_delay(120), wait=wait_fixed(0.2), reraise=True
    )
    waits(lambda: httpx.get(f"{program.url}/health", timeout=5).raise_for_status())
