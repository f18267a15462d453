"""Measures a generated catalogue of a million products: building time, size, memory, search latency."""

from __future__ import annotations

import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

__all__ = ["million_figures"]

SEARCHES = 1000
_INDEX = ("terms.txt", "terms.off", "post.start", "post.doc", "post.tf", "term.peak", "doc.inv")


def million_figures(products: int, home: Path | None = None) -> dict[str, Any]:
    """Build in one process, open and search in another. With `home`, an existing catalogue is measured."""
    if home is not None:
        return _measured(home)
    with tempfile.TemporaryDirectory(prefix="a3t-bench-") as folder:
        built = _build(Path(folder), products)
        return built | _measured(Path(folder))


def _build(home: Path, products: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.webshop_million", "build", str(home), str(products)]
    began = time.perf_counter()
    subprocess.run(command, check=True)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "build_seconds": time.perf_counter() - began,
        "build_cpu_seconds": usage.ru_utime + usage.ru_stime,
        "build_peak_mib": usage.ru_maxrss / 1024,
    }


def _measured(home: Path) -> dict[str, Any]:
    root = home / "data" / "webshop"
    folder = next(path.parent for path in root.glob("*/manifest.json"))
    command = [sys.executable, "-m", "bench.webshop_million", "search", str(home)]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    sizes = {path.name: path.stat().st_size for path in folder.rglob("*") if path.is_file()}
    return {
        "index_mib": sum(sizes.get(name, 0) for name in _INDEX) / 2**20,
        "catalogue_mib": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 2**20,
        **json.loads((folder / "manifest.json").read_text())["index"],
        **found,
    }


def _make(home: Path, products: int) -> None:
    from a3t_env.webshop.cli import generate

    os.environ["A3T_HOME"] = str(home)
    generate(name="generated", products=products, seed=0)


def _search(home: Path) -> dict[str, Any]:
    """Open the environment and search for instructions, each another one."""
    from a3t_env.webshop import WebShopEnvironment
    from a3t_env.webshop.game.wishes import read_wishes

    began = time.perf_counter()
    environment = WebShopEnvironment(home / "data")
    opened, process = time.perf_counter() - began, psutil.Process()
    after_open = process.memory_info().rss
    goals, rng = environment.shop.synthetic, random.Random(3)
    queries = [read_wishes(goals.goal(rng.randrange(len(goals))).instruction).query for _ in range(SEARCHES)]
    environment.shop.catalogue.index.search(queries[0])
    seconds = []
    for query in queries:
        start = time.perf_counter()
        environment.shop.catalogue.index.search(query)
        seconds.append(time.perf_counter() - start)
    return {
        "products": len(environment.shop.catalogue),
        "goals": len(goals),
        "open_seconds": opened,
        "resident_mib_after_open": after_open / 2**20,
        "resident_mib_after_searches": process.memory_info().rss / 2**20,
        **{f"search_ms_p{p}": float(np.percentile(seconds, p)) * 1e3 for p in (50, 99)},
    }


if __name__ == "__main__":
    if sys.argv[1] == "build":
        _make(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        sys.stdout.write(json.dumps(_search(Path(sys.argv[2]))))
