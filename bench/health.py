"""Measures how long hostile requests delay other requests of a service: `python -m bench.health --json PATH`.

It starts `a3t up` with a few generated ALFWorld games and sends the requests of `REQUESTS`, one kind after the other,
from two clients at the same time. Meanwhile a separate process asks the same service for `/health` again and again. The
report has the longest and the median time of these answers, and the service's memory before, at its highest, and after.
The aim is an answer within one second, and memory that does not grow when the same request is sent again.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread

import httpx
import orjson
import psutil

from a3t_contracts.settings import DEVELOPMENT_TOKEN as TOKEN
from a3t_env.alfworld.generator import TRAIN_SPLIT, add_generated
from a3t_orchestrator.embedded.state import StackState
from bench.common import BenchReport
from bench.memory import wait_ready

LIMIT_SECONDS = 1.0
AT_ONCE, TIMES = 2, 2
_JSON = {"Content-Type": "application/json"}
_HISTORY = {"environment": "alfworld", "observation": "A room. Your task is to: put a mug in a shelf."}
_PROBE = """
import sys, time, httpx
http = httpx.Client(timeout=120)
print("ready", flush=True)
while True:
    began = time.perf_counter()
    http.get(sys.argv[1]).raise_for_status()
    print(time.perf_counter() - began, flush=True)
    time.sleep(0.01)
"""


@dataclass(frozen=True)
class Hostile:
    """A request: its service, its path, and its body, which is made again for each sending. `pieces`: sent in
    chunks, without a length.
    """

    service: str
    path: str
    body: Callable[[], bytes]
    pieces: bool = False


def _json(make: Callable[[], object]) -> Callable[[], bytes]:
    return lambda: orjson.dumps(make())


def _text(megabytes: int) -> str:
    line = "You see a cabinet 1 and a mug 2. "
    return line * (megabytes * 2**20 // len(line))


def _turns(count: int) -> list[dict[str, str]]:
    return [{"action": f"go to shelf {n}", "observation": "You see a mug 1."} for n in range(count)]


def _reasons(queries: int, turns: int) -> dict[str, object]:
    return {"queries": [{"history": _HISTORY | {"turns": _turns(turns)}, "action": "look"}] * queries}


def _act(megabytes: int) -> dict[str, object]:
    return {"turns": [{"history": _HISTORY | {"observation": _text(megabytes)}}]}


def _words(count: int) -> dict[str, object]:
    return {
        "model": "a3t/tiny",
        "training_file": "file-none",
        "augmentation": {"interchangeable": [[f"word{n}" for n in range(count)]]},
    }


REQUESTS: dict[str, Hostile] = {
    "act_32_mb": Hostile("policy", "/v1/act", _json(lambda: _act(32))),
    "act_largest": Hostile("policy", "/v1/act", _json(lambda: _act(15))),
    "completions_32_mb": Hostile("policy", "/v1/completions", _json(lambda: {"prompt": _text(32)})),
    "completions_largest": Hostile("policy", "/v1/completions", _json(lambda: {"prompt": _text(15)})),
    "truncated_prompt_largest": Hostile(
        "policy", "/generate", _json(lambda: {"inputs": _text(15), "parameters": {"truncate": 4, "max_new_tokens": 1}})
    ),
    "reasons_64_of_3000_turns": Hostile("actre", "/v1/reasons", _json(lambda: _reasons(64, 3000))),
    "reasons_largest": Hostile("actre", "/v1/reasons", _json(lambda: _reasons(36, 3000))),
    "augmentation_20000_words": Hostile("trainer", "/v1/fine_tuning/jobs", _json(lambda: _words(20_000))),
    "trainer_body_400_mb": Hostile("trainer", "/v1/fine_tuning/jobs", lambda: b" " * (400 * 2**20)),
    "trainer_body_400_mb_in_pieces": Hostile("trainer", "/v1/fine_tuning/jobs", lambda: b" " * (400 * 2**20), True),
    "trainer_upload_400_mb": Hostile("trainer", "/v1/files", lambda: b'{"task": "x"}\n' * (400 * 2**20 // 14)),
    "env_steps_largest": Hostile(
        "env", "/v1/steps", _json(lambda: {"steps": [{"session_id": "0-none", "action": "x" * 900}] * 4000})
    ),
    "env_body_100_mb": Hostile("env", "/v1/steps", lambda: b" " * (100 * 2**20), True),
    "orchestrator_body_100_mb": Hostile("orchestrator", "/v1/runs", lambda: b" " * (100 * 2**20), True),
    "orchestrator_largest": Hostile("orchestrator", "/v1/runs", _json(lambda: {"recipe": "x" * (2**20 - 100)})),
}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the report there")
    parser.add_argument("--only", nargs="*", choices=REQUESTS, help="send only these requests")
    arguments = parser.parse_args()
    report = BenchReport("/health under hostile requests", figures={"limit_seconds": LIMIT_SECONDS})
    with tempfile.TemporaryDirectory(prefix="a3t-health-") as folder:
        home = Path(folder)
        add_generated(home / "data" / "alfworld", TRAIN_SPLIT, 8)
        command = [sys.executable, "-m", "a3t_orchestrator.cli", "up"]
        with (home / "up.log").open("w") as log:
            up = subprocess.Popen(command, env=os.environ | {"A3T_HOME": folder}, stdout=log, stderr=log)
        try:
            state = wait_ready(home, up)
            for name in arguments.only or REQUESTS:
                report.figures |= {f"{name}_{key}": value for key, value in _measure(state, REQUESTS[name]).items()}
        finally:
            up.terminate()
            up.wait(60)
    report.figures["longest_health_seconds"] = max(v for k, v in report.figures.items() if k.endswith("_longest_s"))
    report.show()
    report.write(arguments.json)


def _measure(state: StackState, request: Hostile) -> dict[str, object]:
    """Send a request `TIMES` times from each of `AT_ONCE` clients."""
    url, memory = state.urls[request.service], Memory(state.children[request.service].pid)
    body = request.body()
    before = memory.now()
    after_first = 0
    with Probe(f"{url}/health") as probe, memory, ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.perf_counter()
        for _ in range(TIMES):
            replies = list(pool.map(lambda _: _send(url, request, body), range(AT_ONCE)))
            after_first = after_first or memory.now()
        took = time.perf_counter() - began
    return {
        "longest_s": max(probe.seconds),
        "median_s": statistics.median(probe.seconds),
        "answers": len(probe.seconds),
        "status": "/".join(sorted(set(replies))),
        "request_s": took / TIMES,
        "body_mb": round(len(body) / 1e6, 1),
        "rss_mb_before": before,
        "rss_mb_peak": memory.peak,
        "rss_mb_after_first": after_first,
        "rss_mb_after_last": memory.now(),
    }


def _send(url: str, request: Hostile, body: bytes) -> str:
    """Return the status, or the name of the error if the service closed the connection."""
    content = _pieces(body) if request.pieces else body
    with httpx.Client(headers={"Authorization": f"Bearer {TOKEN}", **_JSON}, timeout=600) as http:
        try:
            return str(http.post(url + request.path, content=content).status_code)
        except httpx.TransportError as error:
            return type(error).__name__


def _pieces(body: bytes) -> Iterator[bytes]:
    for start in range(0, len(body), 2**18):
        yield body[start : start + 2**18]


class Probe:
    """Asks for a URL in a separate process, so that the work of this process delays no answer. `seconds`: the time
    of each answer.
    """

    def __init__(self, url: str) -> None:
        command = [sys.executable, "-c", _PROBE, url]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.seconds: list[float] = []

    def __enter__(self) -> Probe:
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self._process.stdout.readline()  # the first answer: the connection is made
        self._reader = Thread(target=self._read)
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        seen = len(self.seconds)
        while self._process.poll() is None and len(self.seconds) < seen + 2:
            time.sleep(0.01)  # the answer that was waited for while the last request ended counts
        self._process.terminate()
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.seconds.append(float(line))


class Memory:
    """RSS of a process in MB, and its peak while this is entered."""

    def __init__(self, pid: int) -> None:
        self._process, self._over = psutil.Process(pid), Event()
        self.peak = self.now()

    def now(self) -> int:
        """Its RSS now, MB."""
        return round(self._process.memory_info().rss / 1e6)

    def __enter__(self) -> Memory:
        self._watcher = Thread(target=self._watch)
        self._watcher.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watcher.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            self.peak = max(self.peak, self.now())


if __name__ == "__main__":
    main()
