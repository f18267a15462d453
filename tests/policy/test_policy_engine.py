"""The engine against transformers itself: same tokens, same log-probabilities, whatever else is in the batch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from a3t_contracts.errors import A3TError, InvalidInputError, OverloadedError, TooLargeError
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.generation import Delta, Generated, Generation

from .conftest import policy_settings
from .policy_support import greedy


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def backend(
    tiny_model: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LocalBackend]:
    home = tmp_path_factory.mktemp("engine-home")
    settings = policy_settings(
        tiny_model,
        home,
        registry=str(registry),
        policy_max_batch=16,
        policy_slots=24,
        policy_max_queue=64,
        policy_max_context=512,
        policy_prefill_tokens=64,
    )
    backend = LocalBackend(settings)
    await backend.start()
    yield backend
    await backend.close()


pytestmark = pytest.mark.asyncio(loop_scope="module")


def wanted(backend: LocalBackend, text: str, **sampling: object) -> Generation:
    sampled = Sampling.model_validate({"max_tokens": 12} | sampling)
    return Generation(backend.codec.prompt(text), text, sampled, ignore_eos=True)


TEXTS = [f"Observation: You are in room {n}." + " The cabinet 1 is closed." * n for n in range(12)]


async def test_greedy_equals_transformers(backend: LocalBackend, tiny_model: Path) -> None:
    done = await asyncio.gather(*(backend.generate(wanted(backend, text)) for text in TEXTS))
    for text, result in zip(TEXTS, done, strict=True):
        ids, logprobs = greedy(tiny_model, backend.codec.prompt(text), 12)
        assert result.ids == ids
        assert result.logprobs == pytest.approx(logprobs, abs=2e-4)
        assert result.model == str(tiny_model)


async def test_an_adapter_equals_peft(backend: LocalBackend, tiny_model: Path, registry: Path) -> None:
    await backend.load("run-r00", None, make_default=False)
    ask = replace(wanted(backend, TEXTS[3]), model="run-r00")
    done = await backend.generate(ask)
    ids, logprobs = greedy(tiny_model, ask.prompt_ids, 12, registry / "run-r00")
    assert (done.ids, done.model) == (ids, "run-r00")
    assert done.logprobs == pytest.approx(logprobs, abs=2e-4)
    assert ids != greedy(tiny_model, ask.prompt_ids, 12)[0]


async def test_the_next_turn_goes_on_from_the_cache(backend: LocalBackend, tiny_model: Path) -> None:
    first = wanted(backend, "Observation: a kitchen with a fridge 1 and nothing else to see.\n")
    said = await backend.generate(first)
    assert said.ids is not None
    ids = (
        first.prompt_ids + said.ids + backend.codec.encode("Observation: Nothing happens.\n", add_special_tokens=False)
    )
    second = await backend.generate(replace(first, prompt_ids=ids))
    assert second.cached_tokens == len(first.prompt_ids) + len(said.ids) - 1
    assert second.ids == greedy(tiny_model, ids, 12)[0]


async def test_a_cached_prefix_is_never_taken_from_another_version(backend: LocalBackend) -> None:
    await backend.load("run-r01", None, make_default=False)
    ask = wanted(backend, "Observation: a long and unusual prompt that nobody has used before in these tests.\n")
    assert (await backend.generate(ask)).cached_tokens == 0
    assert (await backend.generate(ask)).cached_tokens == len(ask.prompt_ids) - 1
    other = await backend.generate(replace(ask, model="run-r01"))
    assert other.cached_tokens == 0


async def test_samples_depend_on_the_seed_alone(backend: LocalBackend) -> None:
    alone = [await backend.generate(wanted(backend, t, temperature=1.0, seed=n)) for n, t in enumerate(TEXTS)]
    crowd = [wanted(backend, t, temperature=1.3, top_p=0.9, top_k=50) for t in TEXTS]
    again = [wanted(backend, t, temperature=1.0, seed=n) for n, t in enumerate(TEXTS)]
    mixed = await asyncio.gather(*(backend.generate(g) for pair in zip(crowd, again, strict=True) for g in pair))
    assert [r.ids for r in mixed[1::2]] == [r.ids for r in alone]
    other = await backend.generate(wanted(backend, TEXTS[0], temperature=1.0, seed=999))
    assert other.ids != alone[0].ids


async def test_log_probabilities_are_the_same_bits_in_any_batch(backend: LocalBackend) -> None:
    """On one CPU thread in float32, with prompts computed in the same pieces."""
    ask = wanted(backend, "Observation: exact.", seed=5, temperature=0.7, max_tokens=24)
    await backend.generate(ask)  # from here on the prompt is cached
    alone = await backend.generate(ask)
    crowd = [wanted(backend, text, max_tokens=30) for text in TEXTS]
    mixed = await asyncio.gather(backend.generate(ask), *(backend.generate(g) for g in crowd))
    assert mixed[0].logprobs == alone.logprobs


async def test_top_k_and_top_p_cut(backend: LocalBackend) -> None:
    greedy_ids = (await backend.generate(wanted(backend, TEXTS[1]))).ids
    for cut in ({"top_k": 1}, {"top_p": 1e-6}):
        assert (await backend.generate(wanted(backend, TEXTS[1], temperature=2.0, seed=3, **cut))).ids == greedy_ids


async def test_a_stream_says_what_the_whole_says(backend: LocalBackend) -> None:
    ask = wanted(backend, TEXTS[2], temperature=1.0, seed=8, max_tokens=20)
    whole = await backend.generate(ask)
    text, ids, last = "", [], None
    async for news in backend.stream(ask):
        if isinstance(news, Delta):
            text += news.text
            ids += [token.id for token in news.tokens]
        else:
            last = news
    assert isinstance(last, Generated)
    assert ids == whole.ids
    assert whole.text.startswith(text)
    assert last.text == whole.text


async def test_a_stop_string_cuts_the_text_and_is_never_streamed(backend: LocalBackend) -> None:
    ask = wanted(backend, TEXTS[4], temperature=1.0, seed=1, max_tokens=40)
    whole = await backend.generate(ask)
    stop = whole.text[10:13]
    cut = replace(ask, stop=(stop,))
    expected = whole.text[: whole.text.index(stop)]
    assert (await backend.generate(cut)).text == expected
    pieces = [n.text async for n in backend.stream(cut) if isinstance(n, Delta)]
    assert expected.startswith("".join(pieces))


async def test_who_leaves_frees_the_engine(backend: LocalBackend) -> None:
    tasks = [asyncio.ensure_future(backend.generate(wanted(backend, t, max_tokens=400))) for t in TEXTS]
    while backend.model.engine.load < len(TEXTS):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    before = backend.model.engine.tokens
    async with asyncio.timeout(30):
        while backend.model.engine.load:
            await asyncio.sleep(0.001)
    assert backend.model.engine.tokens - before < len(TEXTS) * 400
    assert not backend.model.engine.pool.busy.any()


async def test_limits(backend: LocalBackend) -> None:
    with pytest.raises(TooLargeError, match="512"):
        await backend.generate(replace(wanted(backend, "x"), prompt_ids=[5] * 512))
    with pytest.raises(OverloadedError):
        backend.admit(16 + 64 + 1)
    last = await backend.generate(replace(wanted(backend, "x", max_tokens=50), prompt_ids=[5] * 500))
    assert (last.finish_reason, last.completion_tokens) == ("length", 12)


@pytest.mark.parametrize("ids", [[], [-1], [5, 10**5], [162151471582814]])
async def test_ids_that_are_no_tokens_are_refused(backend: LocalBackend, ids: list[int]) -> None:
    with pytest.raises(InvalidInputError, match="prompt"):
        await backend.generate(Generation(ids, "", Sampling(max_tokens=2)))


async def test_what_cannot_be_admitted_fails_alone(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    pool = backend.model.engine.pool
    acquire = pool.acquire

    def breaking(prompt: Sequence[int], version: int) -> tuple[int, int] | None:
        if len(prompt) == 3:
            raise ValueError("a defect")
        return acquire(prompt, version)

    monkeypatch.setattr(pool, "acquire", breaking)
    with pytest.raises(A3TError, match="failed on this sequence"):
        await asyncio.wait_for(backend.generate(Generation([5, 6, 7], "", Sampling(max_tokens=2))), 30)
    done = await backend.generate(wanted(backend, TEXTS[0]))
    assert done.ids == greedy(tiny_model, backend.codec.prompt(TEXTS[0]), 12)[0]


async def test_more_sequences_than_slots_all_finish(backend: LocalBackend, tiny_model: Path) -> None:
    asks = [wanted(backend, f"Observation: {n} " + "abc " * (n % 9), max_tokens=5) for n in range(60)]
    done = await asyncio.gather(*(backend.generate(a) for a in asks))
    for n in (0, 17, 59):
        assert done[n].ids == greedy(tiny_model, asks[n].prompt_ids, 5)[0]
