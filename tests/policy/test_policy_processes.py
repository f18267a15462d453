"""Engine processes behind one backend: the same results as one engine, the same versions on all, and none lost."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio

from a3t_contracts.errors import A3TError, InvalidInputError, NotFoundError, TooLargeError, UnavailableError
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends import make_backend
from a3t_policy.backends.local import LocalBackend
from a3t_policy.backends.parallel import ParallelBackend
from a3t_policy.generation import Delta, Generated, Generation

from .conftest import FORCED, policy_settings
from .policy_support import publish_random

pytestmark = pytest.mark.asyncio(loop_scope="module")

TEXTS = [f"Observation: You are in room {n}." + " The cabinet 1 is closed." * n for n in range(10)]


def settings_of(base: Path, home: Path, registry: Path, processes: int) -> object:
    return policy_settings(
        base,
        home,
        registry=str(registry),
        policy_engine_processes=processes,
        policy_max_batch=8,
        policy_max_context=512,
    )


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def parallel(
    tiny_model: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[ParallelBackend]:
    settings = settings_of(tiny_model, tmp_path_factory.mktemp("parallel-home"), registry, 2)
    backend = make_backend(settings)  # type: ignore[arg-type]
    assert isinstance(backend, ParallelBackend)
    await backend.start()
    yield backend
    pids = [process.pid for process in backend.group.processes]
    await backend.close()
    assert not [pid for pid in pids if pid is not None and Path(f"/proc/{pid}/cmdline").exists()]


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def single(
    tiny_model: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[LocalBackend]:
    settings = settings_of(tiny_model, tmp_path_factory.mktemp("single-home"), registry, 1)
    backend = make_backend(settings)  # type: ignore[arg-type]
    assert isinstance(backend, LocalBackend)
    await backend.start()
    yield backend
    await backend.close()


def wanted(backend: LocalBackend | ParallelBackend, text: str, **sampling: object) -> Generation:
    sampled = Sampling.model_validate({"max_tokens": 12} | sampling)
    return Generation(backend.codec.prompt(text), text, sampled, ignore_eos=True)


async def test_two_processes_say_what_one_engine_says(parallel: ParallelBackend, single: LocalBackend) -> None:
    for options in ({}, {"temperature": 1.0, "seed": 7}, {"temperature": 1.3, "top_p": 0.9, "top_k": 50, "seed": 8}):
        ours = await asyncio.gather(*(parallel.generate(wanted(parallel, text, **options)) for text in TEXTS))
        theirs = await asyncio.gather(*(single.generate(wanted(single, text, **options)) for text in TEXTS))
        for one, other in zip(ours, theirs, strict=True):
            assert (one.ids, one.text, one.finish_reason) == (other.ids, other.text, other.finish_reason)
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-5)
    assert parallel.group.load == 0


async def test_both_processes_have_their_share_of_the_work(parallel: ParallelBackend) -> None:
    asks = [wanted(parallel, f"Observation: share {n}." + " x" * 40, max_tokens=30) for n in range(8)]
    tasks = [asyncio.ensure_future(parallel.generate(ask)) for ask in asks]
    loads: set[tuple[int, ...]] = set()
    while not all(task.done() for task in tasks):
        loads.add(tuple(process.load for process in parallel.group.processes))
        await asyncio.sleep(0.001)
    assert (4, 4) in loads
    await asyncio.gather(*tasks)


async def test_the_next_turn_goes_to_the_process_that_has_its_beginning(parallel: ParallelBackend) -> None:
    asks = [wanted(parallel, f"Observation: game {n}." + " A shelf 1." * 40) for n in range(6)]
    first = await asyncio.gather(*(parallel.generate(ask) for ask in asks))
    longer = [replace(ask, prompt_ids=ask.prompt_ids + (done.ids or [])) for ask, done in zip(asks, first, strict=True)]
    for ask, done in zip(longer, await asyncio.gather(*(parallel.generate(ask) for ask in longer)), strict=True):
        assert done.cached_tokens == len(ask.prompt_ids) - 1


async def test_a_stream_says_what_the_whole_says(parallel: ParallelBackend) -> None:
    ask = wanted(parallel, TEXTS[2], temperature=1.0, seed=8, max_tokens=20)
    whole = await parallel.generate(ask)
    news = [item async for item in parallel.stream(replace(ask, top_logprobs=2))]
    assert isinstance(news[-1], Generated)
    assert news[-1].ids == whole.ids
    tokens = [token for item in news if isinstance(item, Delta) for token in item.tokens]
    assert [token.id for token in tokens] == whole.ids
    assert all(len(token.top) == 2 for token in tokens)


async def nothing_left(parallel: ParallelBackend) -> None:
    async with asyncio.timeout(30):
        while parallel.group.load:
            await asyncio.sleep(0.01)


async def test_errors_keep_their_kind(parallel: ParallelBackend) -> None:
    with pytest.raises(TooLargeError, match="prompt and completion together"):
        await parallel.generate(replace(wanted(parallel, TEXTS[0]), prompt_ids=[5] * 600))
    with pytest.raises(InvalidInputError, match="token ids must be between"):
        await parallel.generate(replace(wanted(parallel, TEXTS[0]), prompt_ids=[-1]))
    with pytest.raises(NotFoundError):
        await parallel.generate(replace(wanted(parallel, TEXTS[0]), model="nobody"))
    await nothing_left(parallel)


async def test_who_leaves_frees_the_engine(parallel: ParallelBackend) -> None:
    tasks = [asyncio.ensure_future(parallel.generate(wanted(parallel, text, max_tokens=400))) for text in TEXTS]
    while parallel.group.load < len(TEXTS):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await nothing_left(parallel)


async def test_a_version_is_on_every_process_before_it_is_named(parallel: ParallelBackend) -> None:
    name, token = next(iter(FORCED.items()))
    assert (await parallel.load(name, None, make_default=True)).live
    asks = [replace(wanted(parallel, f"Observation: {n}"), model=None) for n in range(16)]
    done = await asyncio.gather(*(parallel.generate(ask) for ask in asks))
    assert {result.model for result in done} == {name}
    assert {token_id for result in done for token_id in result.ids or []} == {token}
    ready = await parallel.ready()
    assert ready["engine_processes"] == 2
    await parallel.unload(name)


async def test_a_version_that_one_process_refuses_is_on_none(
    parallel: ParallelBackend, tiny_model: Path, registry: Path
) -> None:
    folder = publish_random(registry, tiny_model, "gone-r00")
    weights = folder / "adapter_model.safetensors"
    content = weights.read_bytes()
    held = {card.id for card in parallel.models()}
    put = parallel.group.put

    async def put_after_the_file_went(number: int, path: Path) -> None:
        weights.unlink()
        await put(number, path)

    parallel.group.put = put_after_the_file_went  # type: ignore[method-assign]
    try:
        with pytest.raises(A3TError):
            await parallel.load("gone-r00", None, make_default=False)
    finally:
        parallel.group.put = put  # type: ignore[method-assign]
        weights.write_bytes(content)
    assert {card.id for card in parallel.models()} == held
    await parallel.load("gone-r00", None, make_default=False)
    await parallel.unload("gone-r00")


async def test_a_process_that_dies_is_started_again_with_its_versions(parallel: ParallelBackend) -> None:
    name, token = list(FORCED.items())[1]
    await parallel.load(name, None, make_default=False)
    asks = [replace(wanted(parallel, f"Observation: {n}", max_tokens=300), model=name) for n in range(8)]
    tasks = [asyncio.ensure_future(parallel.generate(ask)) for ask in asks]
    while min(process.load for process in parallel.group.processes) < 4:
        await asyncio.sleep(0)
    victim = parallel.group.processes[0]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(result) for result in results} == {Generated, UnavailableError}
    assert (await parallel.generate(asks[0])).ids == [token] * 300, "the other one goes on"
    async with asyncio.timeout(120):
        while len(parallel.group.processes) < 2:
            await asyncio.sleep(0.05)
    done = await asyncio.gather(*(parallel.generate(ask) for ask in asks))
    assert {token_id for result in done for token_id in result.ids or []} == {token}
    assert parallel.group.load == 0
    await parallel.unload(name)


async def test_a_base_that_an_engine_refuses_is_told(tiny_model: Path, registry: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_model, tmp_path, registry, 2)
    backend = make_backend(settings.model_copy(update={"policy_device": "cuda:7"}))  # type: ignore[attr-defined]
    with pytest.raises(A3TError, match="cannot be built"):
        await backend.start()
    await backend.close()
