"""Measures the tokens per second of the local engine with a base, for some seconds."""

from __future__ import annotations

import asyncio
import time

from pydantic import Field

from a3t_contracts.schemas import Schema
from a3t_contracts.schemas.policy import Sampling

from ..engine.build import LocalModel, build
from ..engine.weights import BASE
from ..generation import Generated, Generation
from ..settings import PolicySettings
from ..text import TextCodec

__all__ = ["Speed", "measure"]

_PROMPT_TOKENS, _NEW_TOKENS = 64, 16


class Speed(Schema):
    """Tokens per second, at the machine's present load."""

    load_seconds: float = Field(description="Seconds that loading the base took")
    prompt: float = Field(description="Prompt tokens per second, for one sequence")
    alone: float = Field(description="Generated tokens per second, for one sequence")
    together: float = Field(description="Generated tokens per second, for `sequences` sequences at the same time")
    sequences: int = Field(description="Number of sequences in that measurement")


async def measure(settings: PolicySettings, folder: str, sequences: int) -> Speed:
    """Load the base into a new engine, and generate from random prompts. Takes some seconds."""
    started = time.perf_counter()
    codec = TextCodec.load(folder)
    model = await asyncio.to_thread(build, settings, folder, codec)
    loaded = time.perf_counter() - started
    model.engine.start()
    try:
        await _seconds(model, _generation(codec, 0, 1))  # kernels warm up
        reading = await _seconds(model, _generation(codec, 1, 1))
        alone = await _seconds(model, _generation(codec, 2, _NEW_TOKENS)) - reading
        batch_read, batch_all = [await _batch(model, codec, sequences, tokens) for tokens in (1, _NEW_TOKENS)]
    finally:
        await asyncio.to_thread(model.engine.stop)
    return Speed(
        load_seconds=round(loaded, 1),
        prompt=round(_PROMPT_TOKENS / reading, 1),
        alone=round((_NEW_TOKENS - 1) / max(alone, 1e-6), 1),
        together=round(sequences * (_NEW_TOKENS - 1) / max(batch_all - batch_read, 1e-6), 1),
        sequences=sequences,
    )


def _generation(codec: TextCodec, seed: int, tokens: int) -> Generation:
    """A random prompt, so that no cached prefix helps."""
    ids = [(7 + seed * 31 + 13 * position * (seed + 1)) % codec.vocabulary for position in range(_PROMPT_TOKENS)]
    return Generation(ids, "", Sampling(temperature=1.0, max_tokens=tokens, seed=seed), ignore_eos=True)


async def _batch(model: LocalModel, codec: TextCodec, sequences: int, tokens: int) -> float:
    """Seconds for `sequences` sequences at the same time. Each prompt is new to the engine."""
    first = 3 + tokens * sequences
    before = time.perf_counter()
    await asyncio.gather(*(_seconds(model, _generation(codec, first + n, tokens)) for n in range(sequences)))
    return time.perf_counter() - before


async def _seconds(model: LocalModel, generation: Generation) -> float:
    before = time.perf_counter()
    _, ticket = model.engine.submit(generation, BASE, "base", False)
    while not isinstance(news := await ticket.news.get(), Generated):
        if isinstance(news, Exception):
            raise news
    return time.perf_counter() - before
