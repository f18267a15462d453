"""Inference for agents: the policy service's engine beside transformers' own ways to generate.

Prompts grow as they do in episodes: each client plays one, a turn is a completion of up to `--tokens` tokens, then an
observation is appended. All contenders run in this process on the same model, prompts and threads, greedily, without
stopping early, so that all write equally many tokens:

    ours              the engine with its KV slots, asked concurrently by all clients
    generate          `model.generate` in a loop, one prompt after the other
    generate_batched  `model.generate` on all clients' prompts at once, padded (every client waits for the slowest)
    continuous        transformers' continuous batching manager (what `transformers serve` runs), without HTTP
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, ContinuousBatchingConfig, GenerationConfig

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Generation
from a3t_policy.settings import PolicySettings
from bench.common import Report, console, peer_versions

Prompts = list[list[int]]
Turn = Callable[[Prompts], Awaitable[list[list[int]]]]

_OPENING = (
    "Observation: You are in the middle of a room. Looking quickly around you, you see a cabinet {a}, a cabinet 3, "
    "a countertop 2, a drawer {b}, a fridge 1, a garbagecan 1, a microwave 1, a shelf {c}, a sinkbasin 1, "
    "a stoveburner 4, a toaster 1. Your task is to: put a clean mug in shelf.\n"
)
_ANSWER = "Observation: You arrive at drawer {a}. The drawer {a} is closed. On it, you see a mug {b}, and a fork {c}.\n"


def main() -> None:
    """Run all contenders for each number of clients."""
    options = _options()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    torch.set_num_threads(options.threads)
    report = Report("policy", peers=peer_versions("transformers", "torch"))
    report.figures["model"] = options.model
    report.figures["turns x tokens"] = f"{options.turns} x {options.tokens}"
    for clients in options.clients:
        figures = {name: _measure(name, clients, options) for name in options.contenders}
        for name, (rate, spread) in figures.items():
            report.figures[f"{clients} clients, {name}, tokens/s"] = rate
            report.figures[f"{clients} clients, {name}, steps/s"] = rate / options.tokens
            report.figures[f"{clients} clients, {name}, spread of runs"] = spread
            if name != "ours" and "ours" in figures:
                report.ratios[f"{clients} clients, ours / {name}"] = figures["ours"][0] / rate
    report.figures["load_1min_at_end"] = os.getloadavg()[0]
    report.show()
    report.write(options.json)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--model", default="a3t/tiny")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8, 32, 64])
    parser.add_argument("--turns", type=int, default=6)
    parser.add_argument("--tokens", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    everyone = ["ours", "generate", "generate_batched", "continuous"]
    parser.add_argument("--contenders", nargs="+", default=everyone, choices=everyone)
    return parser.parse_args()


def _measure(name: str, clients: int, options: argparse.Namespace) -> tuple[float, float]:
    """Tokens per second, the median of the repeats, and (max − min) / median."""
    runs = asyncio.run(_CONTENDERS[name](clients, options))
    middle = statistics.median(runs)
    console.log(f"{clients} clients, {name}: {middle:,.0f} tokens/s")
    return middle, (max(runs) - min(runs)) / middle


async def _repeat(
    turn: Turn, encode: Callable[[str], list[int]], clients: int, options: argparse.Namespace
) -> list[float]:
    """Tokens per second of each repeat, after one that is not counted (memory is first touched there)."""
    await _episodes(turn, encode, clients, options.turns, -1)
    rates = []
    for repeat in range(options.repeats):
        started = time.perf_counter()
        tokens = await _episodes(turn, encode, clients, options.turns, repeat)
        rates.append(tokens / (time.perf_counter() - started))
    return rates


async def _episodes(turn: Turn, encode: Callable[[str], list[int]], clients: int, turns: int, salt: int) -> int:
    """Play `turns` turns of every client; returns the tokens written. No prompt comes twice over the repeats."""
    prompts = [encode(_OPENING.format(a=n % 97, b=salt + 3, c=n // 97)) for n in range(clients)]
    written = 0
    for index in range(turns):
        replies = await turn(prompts)
        written += sum(len(reply) for reply in replies)
        for n, reply in enumerate(replies):
            prompts[n] = prompts[n] + reply + encode(_ANSWER.format(a=n % 50 + index, b=index, c=n % 7))
    return written


async def _ours(clients: int, options: argparse.Namespace) -> list[float]:
    with tempfile.TemporaryDirectory() as home:
        settings = PolicySettings(
            home=Path(home), policy_base_model=options.model, policy_threads=options.threads, policy_max_context=2048
        )
        backend = LocalBackend(settings)
        await backend.start()
        sampling = Sampling(max_tokens=options.tokens)

        async def turn(prompts: Prompts) -> list[list[int]]:
            asks = [Generation(ids, "", sampling, ignore_eos=True) for ids in prompts]
            return [done.ids or [] for done in await asyncio.gather(*(backend.generate(ask) for ask in asks))]

        try:
            return await _repeat(
                turn, lambda text: backend.codec.encode(text, add_special_tokens=False), clients, options
            )
        finally:
            await backend.close()


async def _generate(clients: int, options: argparse.Namespace) -> list[float]:
    model, encode, config = _plain(options)

    async def turn(prompts: Prompts) -> list[list[int]]:
        with torch.inference_mode():
            return [_written(model.generate(torch.tensor([ids]), generation_config=config), ids) for ids in prompts]

    return await _repeat(turn, encode, clients, options)


async def _generate_batched(clients: int, options: argparse.Namespace) -> list[float]:
    model, encode, config = _plain(options)

    async def turn(prompts: Prompts) -> list[list[int]]:
        width = max(len(ids) for ids in prompts)
        padded = torch.tensor([[0] * (width - len(ids)) + ids for ids in prompts])
        mask = torch.tensor([[0] * (width - len(ids)) + [1] * len(ids) for ids in prompts])
        with torch.inference_mode():
            replies = model.generate(padded, attention_mask=mask, generation_config=config)
        return [reply[width:].tolist() for reply in replies]

    return await _repeat(turn, encode, clients, options)


async def _continuous(clients: int, options: argparse.Namespace) -> list[float]:
    model, encode, config = _plain(options)
    batching = ContinuousBatchingConfig(num_blocks=512, max_batch_tokens=1024)
    with contextlib.ExitStack() as stack:
        manager = stack.enter_context(
            model.continuous_batching_context_manager(generation_config=config, continuous_batching_config=batching)
        )

        async def turn(prompts: Prompts) -> list[list[int]]:
            names = [manager.add_request(ids, max_new_tokens=options.tokens) for ids in prompts]
            replies: dict[str, list[int]] = {}
            while len(replies) < len(names):
                result = manager.get_result(timeout=60)
                if result is None:
                    raise RuntimeError("transformers' continuous batching gave no result within a minute")
                if result.is_finished():
                    replies[result.request_id] = list(result.generated_tokens)
            return [replies[name] for name in names]

        return await _repeat(turn, encode, clients, options)


def _plain(options: argparse.Namespace) -> tuple[Any, Callable[[str], list[int]], GenerationConfig]:
    folder = resolve_base_model(options.model)
    from a3t_policy.text import TextCodec

    codec = TextCodec.load(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, attn_implementation="sdpa").eval()
    config = GenerationConfig(
        max_new_tokens=options.tokens, min_new_tokens=options.tokens, do_sample=False, pad_token_id=0, eos_token_id=None
    )
    return model, lambda text: codec.encode(text, add_special_tokens=False), config


def _written(reply: torch.Tensor, prompt: Sequence[int]) -> list[int]:
    return [int(i) for i in reply[0, len(prompt) :]]


_CONTENDERS: dict[str, Callable[[int, argparse.Namespace], Awaitable[list[float]]]] = {
    "ours": _ours,
    "generate": _generate,
    "generate_batched": _generate_batched,
    "continuous": _continuous,
}

if __name__ == "__main__":
    main()
