"""Measures the env service over HTTP, with the load generator on the same machine: `python -m bench.env_http --json
PATH`.

The games are generated ALFWorld games on the native engine. Phases: single steps of 256 sessions, batches, 2,048
sessions each on its own connection, and the project's httpx client for comparison. Every session carries out the
actions that were admissible at its start. A reply other than 2xx ends the run with an error.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import psutil
import uvloop

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.settings import DEVELOPMENT_TOKEN as TOKEN
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from bench.common import BenchReport
from bench.http_load import Load, LoadResult, request_bytes, run_load

HOST = "127.0.0.1"
OPENENV_PUBLISHED = {
    "sessions": 2048,
    "requests_per_second": 932,
    "p99_seconds": 1.97,
    "cores": 8,
    "environment": "echo, as its authors published it; not measured here",
}


@dataclass(frozen=True, slots=True)
class Service:
    """The running service and the machine's view of it."""

    port: int
    process: psutil.Process

    def memory(self) -> int:
        """Resident bytes of all its processes."""
        return sum(p.memory_info().rss for p in self._processes())

    def cpu(self) -> float:
        """CPU seconds of all its processes."""
        return sum(sum(p.cpu_times()[:2]) for p in self._processes())

    def _processes(self) -> list[psutil.Process]:
        return [self.process, *self.process.children(recursive=True)]


@dataclass(frozen=True, slots=True)
class Session:
    """An open session and the actions that it walks through."""

    id: str
    actions: list[str]

    def step(self, number: int) -> bytes:
        body = orjson.dumps({"action": self.action(number)})
        return request_bytes("POST", f"/v1/sessions/{self.id}/step", TOKEN, body)

    def action(self, number: int) -> str:
        return self.actions[number % len(self.actions)]


def generate(home: Path, games: int) -> None:
    """Generated games under a data folder."""
    add_generated(home / "data" / "alfworld", TRAIN_SPLIT, games)


@contextmanager
def service(home: Path, port: int, workers: int) -> Iterator[Service]:
    """Run `python -m a3t_env` as a separate process."""
    environment = os.environ | {
        "A3T_HOME": str(home),
        "A3T_HOST": HOST,
        "A3T_PORT": str(port),
        "A3T_ENV_WORKERS": str(workers),
        "A3T_TOKEN": TOKEN,
        "A3T_MODE": "development",
        "A3T_LOG_LEVEL": "WARNING",
    }
    process = subprocess.Popen([sys.executable, "-m", "a3t_env"], env=environment)
    try:
        asyncio.run(_ready(port))
        yield Service(port, psutil.Process(process.pid))
    finally:
        process.terminate()
        process.wait(30)


async def _ready(port: int) -> None:
    retry = RetryPolicy(attempts=120, initial=0.25, maximum=0.25)
    async with EnvClient(f"http://{HOST}:{port}", TOKEN, retry=retry) as client:
        await client.ready()


async def task_ids(port: int) -> list[str]:
    async with EnvClient(f"http://{HOST}:{port}", TOKEN) as client:
        return [task.id for task in (await client.tasks("alfworld", TRAIN_SPLIT)).tasks]


async def open_sessions(port: int, tasks: Sequence[str], count: int) -> tuple[list[Session], LoadResult]:
    """Open `count` sessions over the tasks, from 32 connections."""
    opened: list[Session] = []

    def received(_: int, body: bytes) -> None:
        info = orjson.loads(body)
        opened.append(Session(info["id"], info["actions"]))

    fields = {"environment": "alfworld", "max_steps": 1000, "include_actions": True}
    bodies = (orjson.dumps(fields | {"task_id": task}) for task in itertools.islice(itertools.cycle(tasks), count))
    requests = (request_bytes("POST", "/v1/sessions", TOKEN, body) for body in bodies)
    result = await run_load(HOST, port, [Load(lambda: next(requests, None), received)] * 32)
    return opened, checked(result, 201)


async def single_steps(port: int, sessions: Sequence[Session], steps: int) -> LoadResult:
    """Step every session on its own connection, one step after the other."""
    return await _run(port, [map(session.step, range(steps)) for session in sessions])


async def batches(port: int, sessions: Sequence[Session], steps: int, connections: int) -> LoadResult:
    """Step all sessions, with one batch for each connection."""

    def requests(part: Sequence[Session]) -> Iterator[bytes]:
        for number in range(steps):
            made = [{"session_id": s.id, "action": s.action(number)} for s in part]
            yield request_bytes("POST", "/v1/steps", TOKEN, orjson.dumps({"steps": made}))

    return await _run(port, [requests(sessions[n::connections]) for n in range(connections)], _refuse_problems)


async def client_steps(port: int, sessions: Sequence[Session], steps: int) -> float:
    """Steps per second of the project's client (httpx), all sessions at once."""
    async with EnvClient(f"http://{HOST}:{port}", TOKEN) as client:

        async def walk(session: Session) -> None:
            for number in range(steps):
                await client.step(session.id, session.action(number))

        began = time.perf_counter()
        await asyncio.gather(*(walk(s) for s in sessions))
        return len(sessions) * steps / (time.perf_counter() - began)


async def close_sessions(port: int, sessions: Sequence[Session]) -> None:
    requests = (request_bytes("DELETE", f"/v1/sessions/{s.id}", TOKEN) for s in sessions)
    checked(await run_load(HOST, port, [Load(lambda: next(requests, None))] * 32), 204)


def checked(result: LoadResult, status: int = 200) -> LoadResult:
    """The result, if every reply had the status."""
    if set(result.statuses) != {status}:
        raise RuntimeError(f"the service answered {result.statuses}, not {status} alone: {result.first_error!r}")
    return result


async def _run(
    port: int, requests: Sequence[Iterator[bytes]], received: Callable[[int, bytes], None] | None = None
) -> LoadResult:
    return checked(await run_load(HOST, port, [Load(lambda one=one: next(one, None), received) for one in requests]))


def _refuse_problems(_: int, body: bytes) -> None:
    if b'"urn:a3t:problem' in body:
        raise RuntimeError(f"a step of a batch failed: {body[:300]!r}")


def measure(running: Service, scale: float) -> dict[str, Any]:
    """Run all phases. `scale` multiplies their length."""
    port, run = running.port, uvloop.run
    tasks = run(task_ids(port))
    warm, _ = run(open_sessions(port, tasks, len(tasks)))
    run(close_sessions(port, warm))
    figures: dict[str, Any] = {}

    before = running.memory()
    sessions, _ = run(open_sessions(port, tasks, 4096))
    run(batches(port, sessions, 2, connections=32))
    figures["memory_per_session_bytes"] = (running.memory() - before) / len(sessions)
    run(close_sessions(port, sessions))

    sessions, opened = run(open_sessions(port, tasks, 256))
    steps, cpu = max(2, int(100 * scale)), running.cpu()
    single = run(single_steps(port, sessions, steps))
    figures["opens_per_second"] = opened.requests / opened.seconds
    figures["single_steps_per_second"] = single.requests / single.seconds
    figures["single_p50_ms"], figures["single_p99_ms"] = (1000 * single.percentile(p) for p in (0.5, 0.99))
    figures["single_server_cpu_us_per_step"] = 1e6 * (running.cpu() - cpu) / single.requests

    cpu = running.cpu()
    together = run(batches(port, sessions, steps, connections=2))
    figures["batch_steps_per_second"] = together.requests * len(sessions) / 2 / together.seconds
    figures["batch_p99_ms"] = 1000 * together.percentile(0.99)
    figures["batch_server_cpu_us_per_step"] = 1e6 * (running.cpu() - cpu) / (together.requests * len(sessions) / 2)
    figures["httpx_client_steps_per_second"] = run(client_steps(port, sessions[:64], max(2, steps // 5)))
    run(close_sessions(port, sessions))

    sessions, _ = run(open_sessions(port, tasks, 2048))
    figures["memory_of_service_mb"] = running.memory() / 2**20
    many = run(single_steps(port, sessions, max(2, int(20 * scale))))
    figures["sessions_2048_requests_per_second"] = many.requests / many.seconds
    figures["sessions_2048_p50_seconds"] = many.percentile(0.5)
    figures["sessions_2048_p99_seconds"] = many.percentile(0.99)
    run(close_sessions(port, sessions))
    figures["openenv_published"] = OPENENV_PUBLISHED
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the report here")
    parser.add_argument("--workers", type=int, default=1, help="processes of the service")
    parser.add_argument("--games", type=int, default=64, help="generated games")
    parser.add_argument("--scale", type=float, default=1.0, help="factor for the length of the run (default 1)")
    parser.add_argument("--port", type=int, default=8191)
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the service is stopped too
    report = BenchReport("env_http")
    with tempfile.TemporaryDirectory(prefix="a3t-bench-") as folder:
        generate(Path(folder), options.games)
        with service(Path(folder), options.port, options.workers) as running:
            report.figures = {"workers": options.workers} | measure(running, options.scale)
    report.show()
    report.write(options.json)


if __name__ == "__main__":
    main()
