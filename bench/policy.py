"""Measures inference for agents: compares the policy service with transformers and vLLM.

First, real multi-turn episodes are recorded (`bench.policy_episodes`): the model plays generated ALFWorld games. Then
every contender plays them again with 1, 8, 32 and 64 clients. A client has one episode at a time, asks for each turn's
completion with the exact prompt ids of that turn, and takes the next episode at the end. Every contender generates
greedily as many tokens as the model generated when the episode was recorded, on the same number of threads:

    ours              the engine with its KV slots, in this process
    generate          `model.generate` in a loop, one prompt after the other
    generate_batched  `model.generate` on all clients' prompts at once, padded (every client waits for the longest)
    continuous        transformers' continuous batching manager, in this process
    ours_http         the policy service over HTTP
    serve             `transformers serve --continuous-batching` over HTTP
    vllm              vLLM over HTTP, if it is selected (scripts/setup_vllm.sh)
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import torch

from a3t_contracts.base_model import resolve_base_model
from bench.common import BenchReport, console, peer_versions
from bench.policy_contenders import CONTENDERS, PEERS, Model, Write
from bench.policy_episodes import Episode, record, shape
from bench.shapes import SHAPES, make_model

_FEWEST = 16
"""Least number of episodes in a run, because a single episode is too short to measure."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One run of all episodes: tokens and turns written, and how long it took."""

    tokens: int
    steps: int
    seconds: float
    cpu: float
    """CPU seconds of this process and of all that it started."""


def main() -> None:
    """Run all contenders for each number of clients."""
    options = _options()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(options.threads)
    report = BenchReport("policy", peers=peer_versions("transformers", "torch"))
    count = max(_FEWEST, *options.clients) * (options.repeats + 1)
    episodes = record(options.model, options.threads, count, options.turns, options.tokens)
    report.figures |= {"model": options.model, "threads": options.threads, "timing": options.by}
    report.figures |= {f"recorded: {name}": value for name, value in shape(episodes).items()}
    with tempfile.TemporaryDirectory() as folder:
        name = options.model
        if options.shape:
            name = str(make_model(Path(folder), options.shape, Path(resolve_base_model(options.model))))
            report.figures |= {"shape": options.shape, "quantisation": options.quantisation}
        _compare(Model(name, options.threads, options.quantisation), episodes, report, options)
    report.figures["load_1min_at_end"] = os.getloadavg()[0]
    report.show()
    report.write(options.json)


def _compare(model: Model, episodes: Sequence[Episode], report: BenchReport, options: argparse.Namespace) -> None:
    for clients in options.clients:
        rates = {}
        for name in options.contenders:
            try:
                rates[name] = _measure(name, clients, model, episodes, report, options)
            except (httpx.HTTPError, RuntimeError, MemoryError) as error:  # a broken peer must not end the benchmark
                report.figures[f"{clients} clients, {name}, failed"] = repr(error)
                console.log(f"{clients} clients, {name}: failed, {error!r}")
        for peer, us in PEERS.items():
            if peer in rates and us in rates:
                report.ratios[f"{clients} clients, {us} / {peer}"] = rates[us] / rates[peer]
        report.write(options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--model", default="a3t/tiny", help="plays the episodes, and is measured unless --shape is given"
    )
    parser.add_argument("--shape", choices=list(SHAPES), help="measure a model of this shape with random weights")
    parser.add_argument("--quantisation", choices=["none", "nf4"], default="none")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--turns", type=int, default=12, help="turns of an episode, at most")
    parser.add_argument("--tokens", type=int, default=40, help="tokens written in a turn, at most")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--by", choices=["wall", "cpu"], default="wall", help="clock for speeds; cpu is for machines with other load"
    )
    usual = [name for name in CONTENDERS if name != "vllm"]
    parser.add_argument("--contenders", nargs="+", default=usual, choices=list(CONTENDERS))
    return parser.parse_args()


def _measure(
    name: str, clients: int, model: Model, episodes: Sequence[Episode], report: BenchReport, options: argparse.Namespace
) -> float:
    """Tokens per second, the median of the repeats; into the report with the steps and the spread."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    readings = asyncio.run(_repeat(name, clients, model, episodes, options.repeats))
    seconds = [r.cpu if options.by == "cpu" else r.seconds for r in readings]
    rates = [r.tokens / s for r, s in zip(readings, seconds, strict=True)]
    middle = statistics.median(rates)
    label = f"{clients} clients, {name}"
    report.figures[f"{label}, tokens/s"] = middle
    report.figures[f"{label}, steps/s"] = statistics.median(r.steps / s for r, s in zip(readings, seconds, strict=True))
    report.figures[f"{label}, spread of runs"] = (max(rates) - min(rates)) / middle
    if torch.cuda.is_available():  # of contenders in this process; a KV cache takes what it is given
        report.figures[f"{label}, peak GPU memory, GB"] = torch.cuda.max_memory_allocated() / 1e9
    console.log(f"{label}: {middle:,.0f} tokens/s")
    return middle


async def _repeat(name: str, clients: int, model: Model, episodes: Sequence[Episode], repeats: int) -> list[Reading]:
    """Readings after one run that is not counted. No episode comes twice."""
    size = max(_FEWEST, clients)
    async with CONTENDERS[name](model) as write:
        runs = [episodes[n * size : (n + 1) * size] for n in range(repeats + 1)]
        return [await _play(write, run, clients) for run in runs][1:]


async def _play(write: Write, episodes: Sequence[Episode], clients: int) -> Reading:
    """All episodes, each turn by turn, as many at once as there are clients."""
    left = iter(episodes)
    started, cpu = time.perf_counter(), _cpu()
    counts = await asyncio.gather(*(_client(write, left) for _ in range(clients)))
    seconds = time.perf_counter() - started
    return Reading(sum(t for t, _ in counts), sum(s for _, s in counts), seconds, _cpu() - cpu)


async def _client(write: Write, left: Iterator[Episode]) -> tuple[int, int]:
    """Tokens and turns of the episodes that this client took."""
    tokens = steps = 0
    for episode in left:
        for ask in episode.asks:
            tokens += await write(ask.prompt, len(ask.completion))
            steps += 1
    return tokens, steps


def _cpu() -> float:
    me = psutil.Process()
    return sum(sum(p.cpu_times()[:2]) for p in (me, *me.children(recursive=True)))


if __name__ == "__main__":
    main()
