"""Forward passes without padding, against transformers, and the order in which the engine computes tokens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM

from a3t_contracts.schemas.policy import Sampling
from a3t_policy.engine import lean
from a3t_policy.engine.build import build
from a3t_policy.engine.flat import Chunk
from a3t_policy.engine.runner import Runner
from a3t_policy.engine.sampling import TokenRandom
from a3t_policy.engine.schedule import passes
from a3t_policy.engine.sequence import Sequence, Ticket
from a3t_policy.engine.stopping import TextTail
from a3t_policy.engine.weights import BASE
from a3t_policy.generation import Generation
from a3t_policy.text import TextCodec
from tests.policy.conftest import policy_settings

MIXES = [[1], [1, 1], [2], [7], [8], [60], [1, 5, 1], [1, 40], [12, 9], [1, 3, 30, 1, 8, 7, 100]]


@pytest.fixture(params=["kernel", "torch"])
def runner(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tiny_model: Path, tmp_path: Path
) -> Iterator[Runner]:
    """The engine's runner on the tiny model, with the compiled kernel and with torch's attention alone."""
    if request.param == "torch":
        monkeypatch.setattr(lean, "decode_attention", lambda: None)
    settings = policy_settings(tiny_model, tmp_path, policy_slots=16, policy_max_context=256)
    threads = torch.get_num_threads()
    made = build(settings, str(tiny_model), TextCodec.load(str(tiny_model))).engine.runner
    assert made.flat
    with torch.inference_mode():
        yield made
    torch.set_num_threads(threads)


@pytest.mark.parametrize("mix", MIXES)
@pytest.mark.parametrize("before", [0, 1, 50])
def test_chunks_of_any_lengths_are_computed_as_transformers_does(
    runner: Runner, tiny_model: Path, mix: list[int], before: int
) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model).eval()
    texts = [torch.randint(5, 150, (before + count,), generator=torch.Generator().manual_seed(count)) for count in mix]
    if before:
        runner.forward(BASE, [Chunk(n, 0, text[:before].tolist()) for n, text in enumerate(texts)])
    logits = runner.forward(BASE, [Chunk(n, before, text[before:].tolist()) for n, text in enumerate(texts)])
    assert logits.shape == (len(mix), model.config.vocab_size)
    for row, text in zip(logits, texts, strict=True):
        torch.testing.assert_close(row, model(text[None]).logits[0, -1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("beside", [[], [1], [1] * 9, [7, 7], [90], [3, 100, 64, 1]])
@pytest.mark.parametrize("count", [1, 5, 30])
def test_a_chunk_has_the_same_bits_whatever_is_beside_it(runner: Runner, beside: list[int], count: int) -> None:
    """On one CPU thread in float32."""
    runner.forward(BASE, [Chunk(15, 0, list(range(5, 40)))])
    own = Chunk(15, 35, list(range(20, 20 + count)))
    alone = runner.forward(BASE, [own])[0]
    others = [Chunk(n, 0, list(range(10, 10 + size))) for n, size in enumerate(beside)]
    assert runner.forward(BASE, [*others, own])[-1].equal(alone)


async def members(tiny_model: Path, prompts: list[int], done: list[int]) -> list[Sequence]:
    codec = TextCodec.load(str(tiny_model))
    made = []
    for length, computed in zip(prompts, done, strict=True):
        generation = Generation([7] * length, "", Sampling(max_tokens=4))
        tail = TextTail(codec, (), False)
        ticket = Ticket(asyncio.get_running_loop(), False)
        sequence = Sequence(generation, BASE, "base", ticket, tail, TokenRandom(0), frozenset())
        sequence.done = computed
        if computed >= length:
            sequence.ids = [8]
        made.append(sequence)
    return made


async def test_without_padding_a_step_is_one_pass(tiny_model: Path) -> None:
    some = await members(tiny_model, [50, 20, 300, 9, 40], [0, 20, 10, 0, 0])
    counts = [[(some.index(s), count) for s, count in part] for part in passes(some, 345, flat=True)]
    assert counts == [[(1, 1), (0, 50), (2, 290), (3, 5)]], "the writer, then prompts in order up to the budget"
    assert list(passes([], 345, flat=True)) == []


async def test_with_padding_only_prompts_of_about_the_same_length_share_a_pass(tiny_model: Path) -> None:
    some = await members(tiny_model, [200, 20, 190, 8, 6], [0, 20, 0, 0, 0])
    counts = [[(some.index(s), count) for s, count in part] for part in passes(some, 512, flat=False)]
    assert counts == [[(0, 200), (2, 200)], [(3, 8), (4, 8)], [(1, 1)]]
