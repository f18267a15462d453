"""Compares steps of an environment behind HTTP with the plain HTTP calls: `python -m bench.env_remote --json PATH`.

One reference server in a separate process plays a guessing game. The same steps are made by plain httpx (one client,
kept connection, reply read as JSON) and by the remote environment of the env service, in turns of `--turn` steps, so
that both see the same load of the machine. Ratios are our medians divided by the peer's.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from a3t_env.environments import configured
from a3t_env.protocol import Episode
from a3t_env.settings import EnvSettings
from bench.common import BenchReport, peer_versions

_ACTION = "guess 0"
_SERVER = """
import sys
sys.path.insert(0, "examples/environments")
from guess import Guess
from a3t_env import serve
serve(Guess, port=int(sys.argv[1]))
"""


@contextmanager
def server(port: int) -> Iterator[str]:
    """The reference server with the guessing game of the examples, in a process of its own."""
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(port)])
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                httpx.get(f"{url}/info").raise_for_status()
                break
            except httpx.TransportError:
                time.sleep(0.1)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def plain_steps(url: str) -> Callable[[int], list[float]]:
    """Times of steps by httpx alone, in seconds."""
    client = httpx.Client(base_url=url)
    episode = client.post("/episodes", json={"task": "train-000", "seed": 0}).json()["id"]
    made = 0

    def run(steps: int) -> list[float]:
        nonlocal made
        times = []
        for _ in range(steps):
            began = time.perf_counter()
            reply = client.post(f"/episodes/{episode}/step", json={"action": _ACTION, "index": made})
            assert reply.json()["observation"]
            times.append(time.perf_counter() - began)
            made += 1
        return times

    return run


def remote_steps(episode: Episode) -> Callable[[int], list[float]]:
    """Times of steps by the remote environment, in seconds."""
    episode.start()

    def run(steps: int) -> list[float]:
        times = []
        for _ in range(steps):
            began = time.perf_counter()
            assert episode.step(_ACTION).observation
            times.append(time.perf_counter() - began)
        return times

    return run


def main() -> None:
    """Run the benchmark and print its report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000, help="steps of each (default 2000)")
    parser.add_argument("--turn", type=int, default=50, help="steps of one before the other's turn (default 50)")
    parser.add_argument("--port", type=int, default=8290, help="port of the server (default 8290)")
    parser.add_argument("--json", type=Path, help="write the report here")
    arguments = parser.parse_args()
    report = BenchReport("env_remote", peers=peer_versions("httpx"))
    with server(arguments.port) as url:
        environments = configured(EnvSettings(env_remotes=f"guess={url}"))
        ours, plain = remote_steps(environments.get("guess").episode("train-000")), plain_steps(url)
        times: dict[str, list[float]] = {"remote": [], "httpx": []}
        for _ in range(max(1, arguments.steps // arguments.turn)):
            times["httpx"] += plain(arguments.turn)
            times["remote"] += ours(arguments.turn)
        environments.close()
    for name, taken in times.items():
        report.figures[f"{name}_step_us_median"] = statistics.median(taken) * 1e6
        report.figures[f"{name}_step_us_p95"] = statistics.quantiles(taken, n=20)[-1] * 1e6
    report.ratios["remote_over_httpx_median"] = statistics.median(times["remote"]) / statistics.median(times["httpx"])
    report.show()
    report.write(arguments.json)


if __name__ == "__main__":
    main()
