"""Load over time, without a peer: `python -m bench.load --json PATH`.

For `--seconds` seconds, `--sessions` connections open, play and close env sessions, while policy clients ask for turns.
The figures are latencies, errors, and the changes in memory and open files of each service. The policy has a short
queue, so that it refuses (429) what it cannot do, and the clients wait as long as `Retry-After` says. Afterwards
`--churn` sessions of each environment are opened and closed at the same time.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import orjson
import psutil
import uvloop

from a3t_contracts.clients import PolicyClient, RetryPolicy
from a3t_contracts.errors import A3TError
from a3t_contracts.react import History
from a3t_contracts.schemas import ActRequest, ActTurn, Sampling
from a3t_contracts.settings import DEVELOPMENT_TOKEN as TOKEN
from bench.common import BenchReport
from bench.http_load import Load, LoadResult, request_bytes, run_load
from tests.support.live_server import free_port

HOST, STEPS, QUEUE = "127.0.0.1", 20, 16
_WARM = 0.25
"""Share of the time (0 to 1) at the start that the slopes leave out, because caches fill then."""


@dataclass
class Watch:
    """Resident memory and open files of a process, once a second."""

    process: psutil.Process
    times: list[float] = field(default_factory=list)
    memory: list[float] = field(default_factory=list)
    files: list[float] = field(default_factory=list)

    def sample(self) -> None:
        self.times.append(time.monotonic())
        self.memory.append(self.process.memory_info().rss / 2**20)
        self.files.append(self.process.num_fds())

    def figures(self, name: str, seconds: float) -> dict[str, float]:
        """Return the maxima, and the slopes per minute over the load's `seconds` without their first quarter."""
        began = self.times[0]
        rows = zip(self.times, self.memory, self.files, strict=True)
        times, memory, files = zip(*(r for r in rows if _WARM * seconds <= r[0] - began < seconds - 1), strict=True)
        return {
            f"{name}_memory_mib": max(memory),
            f"{name}_memory_slope_mib_per_minute": 60 * slope(times, memory),
            f"{name}_open_files": max(files),
            f"{name}_open_files_slope_per_minute": 60 * slope(times, files),
        }


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Least squares; 0 for fewer than two points."""
    if len(x) < 2:
        return 0.0
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    spread = sum((a - mean_x) ** 2 for a in x)
    return sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True)) / spread if spread else 0.0


@contextmanager
def watched(watches: Sequence[Watch]) -> Iterator[None]:
    """Sample all of them until the block ends."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(1.0):
            for one in watches:
                one.sample()

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


@contextmanager
def program(service: str, home: Path, **settings: str) -> Iterator[tuple[int, psutil.Process]]:
    """A service as a process of its own: its port and the process."""
    port = free_port()
    variables = {"A3T_HOME": str(home), "A3T_PORT": str(port), "A3T_LOG_LEVEL": "WARNING", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen([sys.executable, "-m", f"a3t_{service}"], env=os.environ | variables | settings)
    try:
        until_ready(f"http://{HOST}:{port}/ready")
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def until_ready(url: str) -> None:
    """Wait for at most two minutes."""
    for _ in range(480):
        try:
            if httpx.get(url, timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.25)
    raise SystemExit(f"{url} is not ready after two minutes.")


class Player:
    """One connection that opens a session, plays it and closes it, again and again."""

    def __init__(self, environment: str, tasks: Iterator[str], until: float, steps: int) -> None:
        self.environment, self.tasks, self.until, self.steps = environment, tasks, until, steps
        self.session, self.done, self.closed = "", 0, 0

    def following(self) -> bytes | None:
        """The next request; after the end an open session is closed first."""
        over = time.monotonic() >= self.until
        if not self.session:
            task = None if over else next(self.tasks, None)
            if task is None:
                return None
            body = {"environment": self.environment, "task_id": task, "max_steps": 1000}
            return request_bytes("POST", "/v1/sessions", TOKEN, orjson.dumps(body))
        if over or self.done >= self.steps:
            session, self.session, self.done = self.session, "", 0
            self.closed += 1
            return request_bytes("DELETE", f"/v1/sessions/{session}", TOKEN)
        self.done += 1
        body = {"action": "look"}
        return request_bytes("POST", f"/v1/sessions/{self.session}/step", TOKEN, orjson.dumps(body))

    def received(self, status: int, body: bytes) -> None:
        """Take in the id of a new session; a session that was refused or failed is given up."""
        if status == 201:
            self.session = orjson.loads(body)["id"]
        elif status >= 400:
            self.session, self.done = "", 0


def play(port: int, environment: str, tasks: Iterator[str], connections: int, seconds: float, steps: int) -> LoadResult:
    """Run `connections` players for `seconds` seconds, or until no task is left."""
    players = [Player(environment, tasks, time.monotonic() + seconds, steps) for _ in range(connections)]
    loads = [Load(player.following, player.received) for player in players]
    return uvloop.run(run_load(HOST, port, loads))


async def ask(port: int, clients: int, seconds: float) -> tuple[list[float], Counter[str]]:
    """Run `clients` clients that ask for one turn after the other. Returns latencies, with the waiting time, and
    errors.
    """
    until, latencies, errors = time.monotonic() + seconds, list[float](), Counter[str]()
    history = History(environment="load", observation="You are in a room. Your task is to: look around.")
    turn = ActTurn(history=history, sampling=Sampling(max_tokens=8))

    async def one() -> None:
        async with PolicyClient(f"http://{HOST}:{port}", TOKEN, retry=RetryPolicy(attempts=20)) as client:
            while time.monotonic() < until:
                began = time.perf_counter()
                try:
                    await client.act(ActRequest(turns=[turn]))
                    latencies.append(time.perf_counter() - began)
                except A3TError as error:
                    errors[type(error).__name__] += 1

    await asyncio.gather(*(one() for _ in range(clients)))
    return latencies, errors


def tasks_of(port: int, environment: str) -> list[str]:
    """Ids of tasks."""
    url = f"http://{HOST}:{port}/v1/tasks?environment={environment}&limit=200"
    reply = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=60).raise_for_status()
    return [task["id"] for task in reply.json()["tasks"]]


def percentiles(name: str, seconds: Sequence[float]) -> dict[str, float]:
    """P50, P95 and P99 in milliseconds."""
    ordered = sorted(seconds) or [0.0]
    return {
        f"{name}_p{share}_ms": 1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)]
        for share in (50, 95, 99)
    }


def refusals(port: int) -> float:
    """How often a service answered 429."""
    lines = httpx.get(f"http://{HOST}:{port}/metrics", timeout=60).text.splitlines()
    counts = [line for line in lines if line.startswith("a3t_http_requests_total") and 'status="429"' in line]
    return sum(float(line.rpartition(" ")[2]) for line in counts)


def together(arguments: argparse.Namespace, env: int, policy: int) -> dict[str, Any]:
    """Env sessions and policy clients at the same time."""
    asked: list[tuple[list[float], Counter[str]]] = []
    asking = threading.Thread(
        target=lambda: asked.append(asyncio.run(ask(policy, arguments.clients, arguments.seconds)))
    )
    asking.start()
    tasks = itertools.cycle(tasks_of(env, "alfworld"))
    played = play(env, "alfworld", tasks, arguments.sessions, arguments.seconds, STEPS)
    asking.join()
    latencies, errors = asked[0]
    return {
        "env_requests_per_second": played.requests / played.seconds,
        **percentiles("env", played.latencies),
        "env_errors": sum(count for status, count in played.statuses.items() if status >= 400),
        "policy_turns_per_second": len(latencies) / arguments.seconds,
        **percentiles("policy", latencies),
        "policy_refusals_429": refusals(policy),
        "policy_errors_after_waiting": sum(errors.values()),
    }


def churn(env: int, watch: Watch, environment: str, sessions: int) -> dict[str, Any]:
    """Open and close `sessions` sessions. Growth is counted after the first tenth, which fills the caches."""
    tasks = tasks_of(env, environment)
    played = play(env, environment, itertools.islice(itertools.cycle(tasks), sessions // 10), 32, 1e9, 0)
    watch.sample()
    before, files = watch.memory[-1], watch.files[-1]
    played = play(env, environment, itertools.islice(itertools.cycle(tasks), sessions), 32, 1e9, 0)
    watch.sample()
    return {
        f"churn_{environment}_sessions": sessions,
        f"churn_{environment}_sessions_per_second": sessions / played.seconds,
        f"churn_{environment}_errors": sum(n for status, n in played.statuses.items() if status >= 400),
        f"churn_{environment}_growth_mib": watch.memory[-1] - before,
        f"churn_{environment}_growth_files": watch.files[-1] - files,
    }


def arguments_of(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.load", description=__doc__)
    parser.add_argument("--json", type=Path, help="file to write the figures to")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the load; 1800 for the long form")
    parser.add_argument("--sessions", type=int, default=256, help="env sessions at a time; 2048 for the long form")
    parser.add_argument("--clients", type=int, default=64, help="policy clients at a time")
    parser.add_argument("--churn", type=int, default=2000, help="sessions to open and close of each environment")
    return parser.parse_args(given)


def main() -> None:
    """Measure, print, write."""
    arguments, report = arguments_of(), BenchReport("load")
    with tempfile.TemporaryDirectory(prefix="a3t-load-") as folder, ExitStack() as stack:
        home = Path(folder)
        for command in (["generate", "alfworld", "--games", "40"], ["generate", "webshop", "--products", "500"]):
            run = partial(subprocess.run, env=os.environ | {"A3T_HOME": str(home)}, check=True, capture_output=True)
            run([sys.executable, "-m", "a3t_env.cli", *command])
        env, env_process = stack.enter_context(program("env", home))
        policy, policy_process = stack.enter_context(
            program("policy", home, A3T_POLICY_MAX_BATCH="8", A3T_POLICY_SLOTS="16", A3T_POLICY_MAX_QUEUE=str(QUEUE))
        )
        watches = {"env": Watch(env_process), "policy": Watch(policy_process)}
        with watched(list(watches.values())):
            report.figures |= together(arguments, env, policy)
        for name, watch in watches.items():
            report.figures |= watch.figures(name, arguments.seconds)
        for environment in ("alfworld", "webshop"):
            report.figures |= churn(env, watches["env"], environment, arguments.churn)
    report.show()
    report.write(arguments.json)


if __name__ == "__main__":
    main()
