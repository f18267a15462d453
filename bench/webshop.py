"""WebShop: start-up, memory, sessions, steps in process and over HTTP, search, and players without a model.

`python -m bench.webshop --json PATH`; `--million` measures a generated catalogue of a million products instead.

The original (Java, Lucene, Flask, BeautifulSoup) cannot run here, so its figures are recorded ones, for its 1,000
products on two shared cores; the ratios are against them. With A3T_REFERENCE_DATA (or ../shared/data), the same
products are used here, else generated ones. Speeds are given by wall clock and by CPU time; on a shared machine, CPU
time is the better measure.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from a3t_env.webshop import WebShopEnvironment
from a3t_env.webshop.catalogue.build import build_catalogue
from a3t_env.webshop.catalogue.sources import Source, find_files
from a3t_env.webshop.folders import make_current
from a3t_env.webshop.game.page import Page
from a3t_env.webshop.game.session import ShopSession
from a3t_env.webshop.game.shopper import RuleBaseline, Shopper
from a3t_env.webshop.game.wishes import read_wishes
from a3t_env.webshop.generator import GeneratedProducts
from bench.common import BenchReport, console, peer_versions
from bench.webshop_http import http_figures
from bench.webshop_million import million_figures

RECORDED_ORIGINAL: dict[str, Any] = {
    "steps_per_second_replay": 39,
    "steps_per_cpu_second_replay": 37,
    "steps_per_second_random_policy": 42,
    "start_seconds": 4.6,
    "resident_mib": 268,
    "products": 1000,
    "note": "recorded on two shared cores at low load; the replay with text observations",
}
STEPS, EPISODES, SEARCHES, SESSIONS = 50, 300, 2000, 1000
_START = """
import json, sys, time
began = time.perf_counter()
from pathlib import Path
from a3t_env.webshop import WebShopEnvironment
environment = WebShopEnvironment(Path(sys.argv[1]))
environment.episode("goal-00000").start()
seconds = time.perf_counter() - began
import psutil
print(json.dumps([seconds, time.process_time(), psutil.Process().memory_info().rss / 2**20]))
"""


class Player(Protocol):
    """A player without a model."""

    def see(self, page: Page, action: str = "") -> None: ...

    def next_action(self) -> str: ...


def prepare(home: Path) -> str:
    """A catalogue under `home`: the original's 1,000 products where they are at hand."""
    reference = Path(os.environ.get("A3T_REFERENCE_DATA", Path(__file__).parents[2] / "shared" / "data")) / "webshop"
    kind = "original" if list(reference.glob("items_shuffle*.json")) else "generated"
    source: Source = find_files([reference]) if kind == "original" else GeneratedProducts(1000)
    root = home / "data" / "webshop"
    root.mkdir(parents=True)
    build_catalogue(source, root / kind, "imported" if kind == "original" else "generated")
    make_current(root, kind)
    return kind


def start_figures(home: Path) -> dict[str, float]:
    """Seconds and memory of a fresh process up to its first observation: the median of five."""
    command = [sys.executable, "-c", _START, str(home / "data")]
    runs = [json.loads(subprocess.run(command, capture_output=True, check=True).stdout) for _ in range(5)]
    seconds, cpu, mib = (sorted(run[i] for run in runs)[2] for i in range(3))
    return {"start_seconds": seconds, "start_cpu_seconds": cpu, "resident_mib_after_start": mib}


def session_bytes(environment: WebShopEnvironment) -> float:
    """Bytes of a session on an item page, its products and searches being known already."""
    tasks = [t.id for t in environment.tasks("test")][:SESSIONS]

    def opened(task: str) -> Any:
        episode = environment.episode(task)
        episode.start()
        for _ in range(2):
            episode.step(episode.expert())
        return episode

    warm = [opened(task) for task in tasks]
    del warm
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    held = [opened(task) for task in tasks]
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used / len(held)


def speed(name: str, walk: Callable[[WebShopEnvironment], int], environment: WebShopEnvironment) -> dict[str, float]:
    """Steps a second of a walk, by the clock and by CPU time."""
    clock, cpu = time.perf_counter(), time.process_time()
    steps = walk(environment)
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    return {f"steps_per_second_{name}": steps / clock, f"steps_per_cpu_second_{name}": steps / cpu}


def random_steps(environment: WebShopEnvironment) -> int:
    """Steps of the original's RandomPolicy: `search[shoes]`, then any click; observation and clickables each
    step, episodes capped at 50 steps."""
    rng, steps = random.Random(7), 0
    for number in range(EPISODES):
        session = ShopSession(environment.shop, environment.shop.synthetic.goal(number), str(number))
        for _ in range(STEPS):
            names = list(session.page.clickables)
            did = session.step("search[shoes]" if session.page.has_search_bar else f"click[{rng.choice(names)}]")
            session.observation()
            steps += 1
            if did.done:
                break
    return steps


def fresh_search_steps(environment: WebShopEnvironment) -> int:
    """Steps of shopping in which every search is new, so that the cache of searches does not help."""
    rng, steps = random.Random(11), 0
    goals = environment.shop.synthetic
    for number in range(EPISODES):
        session = ShopSession(environment.shop, goals.goal(rng.randrange(len(goals))), str(number))
        session.step(f"search[{read_wishes(session.goal.instruction).query} {number}]")
        steps += 1
        for _ in range(7):
            names = [n for n in session.page.clickables if n != "search"]
            session.step(f"click[{rng.choice(names)}]" if names else "search[shoes]")
            session.observation()
            steps += 1
    return steps


def search_figures(environment: WebShopEnvironment) -> dict[str, float]:
    """Latency of searches for instructions, without any memory of results."""
    goals, rng = environment.shop.synthetic, random.Random(5)
    queries = [read_wishes(goals.goal(rng.randrange(len(goals))).instruction).query for _ in range(SEARCHES)]
    seconds = []
    for query in queries:
        began = time.perf_counter()
        environment.shop.catalogue.index.search(query)
        seconds.append(time.perf_counter() - began)
    return {f"search_ms_p{p}": float(np.percentile(seconds, p)) * 1e3 for p in (50, 99)}


def play(environment: WebShopEnvironment, split: str, player: Callable[[], Player]) -> dict[str, Any]:
    """Reward and success of a player on a split, with 95 % intervals, within the usual cap of steps."""
    rewards = []
    for task in environment.tasks(split):
        episode, who = environment.episode(task.id), player()
        outcome = episode.start()
        who.see(episode.page)
        for _ in range(environment.info().max_steps):
            action = who.next_action()
            outcome = episode.step(action)
            if outcome.valid:
                who.see(episode.page, action)
            if outcome.done:
                break
        rewards.append(outcome.reward)
    return {"tasks": len(rewards), **_with_intervals(rewards)}


def _with_intervals(rewards: Sequence[float]) -> dict[str, Any]:
    """Mean reward with a normal interval, success rate with Wilson's."""
    n, mean = len(rewards), float(np.mean(rewards))
    half = 1.96 * float(np.std(rewards, ddof=1)) / math.sqrt(n)
    p = sum(r == 1.0 for r in rewards) / n
    centre = (p + 1.96**2 / (2 * n)) / (1 + 1.96**2 / n)
    spread = 1.96 / (1 + 1.96**2 / n) * math.sqrt(p * (1 - p) / n + 1.96**2 / (4 * n * n))
    return {
        "reward": round(mean, 4),
        "reward_95": [round(mean - half, 4), round(mean + half, 4)],
        "success": round(p, 4),
        "success_95": [round(centre - spread, 4), round(centre + spread, 4)],
    }


def run(report: BenchReport) -> None:
    """Measure everything except the catalogue of a million products."""
    with tempfile.TemporaryDirectory(prefix="a3t-bench-") as folder:
        home = Path(folder)
        report.figures["products"] = f"1000, {prepare(home)}"
        environment = WebShopEnvironment(home / "data")
        report.figures |= start_figures(home)
        report.figures["bytes_per_session"] = session_bytes(environment)
        report.figures |= speed("random_policy", random_steps, environment)
        report.figures |= speed("new_searches", fresh_search_steps, environment)
        report.figures |= search_figures(environment)
        report.figures |= http_figures(home, environment)
        report.figures["rule_baseline_test"] = play(environment, "test", RuleBaseline)
        report.figures["scripted_shopper_test"] = play(environment, "test", Shopper)
    report.figures["original_recorded"] = RECORDED_ORIGINAL
    figures, recorded = report.figures, RECORDED_ORIGINAL
    report.ratios = {
        "steps_per_second_over_recorded_original": figures["steps_per_second_random_policy"]
        / recorded["steps_per_second_random_policy"],
        "steps_per_cpu_second_over_recorded_original": figures["steps_per_cpu_second_random_policy"]
        / recorded["steps_per_cpu_second_replay"],
        "start_seconds_over_recorded_original": figures["start_seconds"] / recorded["start_seconds"],
        "resident_over_recorded_original": figures["resident_mib_after_start"] / recorded["resident_mib"],
    }


def main() -> None:
    """Measure, show, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="Write the report here.")
    parser.add_argument("--million", action="store_true", help="Measure a generated catalogue of --products instead.")
    parser.add_argument("--products", type=int, default=1_000_000)
    parser.add_argument("--catalogue-home", type=Path, help="A home that has the large catalogue already.")
    arguments = parser.parse_args()
    report = BenchReport("webshop", peers=peer_versions("rapidfuzz", "nltk", "numpy"))
    if arguments.million:
        report.name = "webshop_million"
        report.figures |= million_figures(arguments.products, arguments.catalogue_home)
    else:
        run(report)
    report.show()
    report.write(arguments.json)
    console.print("The original's figures were recorded, not measured in this run.")


if __name__ == "__main__":
    main()
