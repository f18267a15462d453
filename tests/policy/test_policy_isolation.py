"""A sequence that cannot be computed fails alone: its neighbours get the tokens that they would have got without it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import structlog

from a3t_contracts.errors import A3TError
from a3t_contracts.schemas.policy import Sampling
from a3t_policy.backends.local import LocalBackend
from a3t_policy.engine import engine as engine_module
from a3t_policy.engine.flat import Chunk
from a3t_policy.engine.isolate import isolate
from a3t_policy.generation import Delta, Generated, Generation

from .conftest import policy_settings

pytestmark = pytest.mark.asyncio(loop_scope="module")

POISON = 7
"""The seed of the sequence that fails."""


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def backend(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[LocalBackend]:
    home = tmp_path_factory.mktemp("isolation-home")
    settings = policy_settings(tiny_model, home, policy_max_batch=16, policy_slots=24, policy_max_context=256)
    backend = LocalBackend(settings)
    await backend.start()
    yield backend
    await backend.close()


def asked(backend: LocalBackend, seed: int) -> Generation:
    text = f"Observation: You are in room {seed}." + " A shelf 1 is here." * (seed % 5)
    sampling = Sampling(temperature=1.0 if seed % 2 else 0.0, top_k=20 if seed % 3 else 0, seed=seed, max_tokens=16)
    return Generation(backend.codec.prompt(text), text, sampling, ignore_eos=True)


async def together(backend: LocalBackend, seeds: Sequence[int]) -> list[Generated | BaseException]:
    asks = [asked(backend, seed) for seed in seeds]
    return await asyncio.gather(*(backend.generate(ask) for ask in asks), return_exceptions=True)


def failing_pass(backend: LocalBackend, at: int) -> Callable[..., Any]:
    """The runner's forward, which breaks where the poisoned sequence is at or behind position `at`."""
    forward, engine = backend.model.engine.runner.forward, backend.model.engine

    def broken(version: int, chunks: Sequence[Chunk]) -> Any:
        poisoned = {s.slot for s in engine.running if s.generation.sampling.seed == POISON}
        if any(c.slot in poisoned and c.start + len(c.tokens) >= at for c in chunks):
            raise RuntimeError("a defect")
        return forward(version, chunks)

    return broken


def failing_choice() -> Callable[..., Any]:
    choose = engine_module.choose

    def broken(logits: Any, samplings: Sequence[Sampling], randoms: Any, top: int = 0) -> Any:
        chosen = choose(logits, samplings, randoms, top)
        if any(sampling.seed == POISON for sampling in samplings):
            raise OverflowError("int too large to convert to float")
        return chosen

    return broken


@pytest.mark.parametrize("kind", ["prompt", "later", "choice"])
async def test_the_others_go_on_with_the_same_tokens(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    seeds = range(16)
    expected = await together(backend, seeds)
    backend.model.engine.pool.forget()
    with monkeypatch.context() as patched:
        if kind == "choice":
            patched.setattr(engine_module, "choose", failing_choice())
        else:
            at = 1 if kind == "prompt" else len(asked(backend, POISON).prompt_ids) + 5
            patched.setattr(backend.model.engine.runner, "forward", failing_pass(backend, at))
        given = await together(backend, seeds)
    for seed in seeds:
        if seed == POISON:
            with pytest.raises(A3TError, match="failed on this sequence"):
                raise given[seed]  # type: ignore[misc]
            continue
        before, after = expected[seed], given[seed]
        assert isinstance(before, Generated)
        assert isinstance(after, Generated)
        assert (after.ids, after.finish_reason) == (before.ids, before.finish_reason)
        assert after.logprobs == pytest.approx(before.logprobs, abs=1e-4)
    assert not backend.model.engine.pool.busy.any()
    assert (await together(backend, [POISON]))[0].ids == expected[POISON].ids  # type: ignore[union-attr]


async def test_a_stream_beside_a_failing_sequence_loses_nothing(
    backend: LocalBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = await backend.generate(asked(backend, 3))
    broken = failing_pass(backend, len(asked(backend, POISON).prompt_ids) + 5)

    async def streamed() -> list[int]:
        news = [item async for item in backend.stream(asked(backend, 3))]
        return [token.id for item in news if isinstance(item, Delta) for token in item.tokens]

    with monkeypatch.context() as patched:
        patched.setattr(backend.model.engine.runner, "forward", broken)
        ids, poisoned = await asyncio.gather(streamed(), together(backend, [POISON]))
    assert ids == whole.ids
    assert isinstance(poisoned[0], A3TError)


async def test_a_defect_that_fails_all_is_logged_once(backend: LocalBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched, structlog.testing.capture_logs() as lines:
        patched.setattr(backend.model.engine.runner, "forward", broken)
        given = await together(backend, range(16))
    assert all(isinstance(one, A3TError) for one in given)
    failed = [line for line in lines if line["event"] == "engine.sequences_failed"]
    assert sum(line["count"] for line in failed) == 16
    assert len(failed) < 16 / 2  # one line a step: sequences of several lengths begin in several passes
    assert all(str(line["exc_info"]) == "a defect" for line in failed)


async def test_what_a_failed_sequence_left_in_its_slot_reaches_nobody(backend: LocalBackend) -> None:
    pool = backend.model.engine.pool
    for tensor in (*pool.keys, *pool.values):
        tensor[3].fill_(float("nan"))
    pool.length[3] = 9
    pool.wipe(3, pool.width)
    assert all(bool((tensor[3] == 0).all()) for tensor in (*pool.keys, *pool.values))
    assert pool.length[3] == 0


async def test_halves_until_the_one_that_fails_stands_alone() -> None:
    calls: list[list[int]] = []
    failed: list[int] = []

    def work(members: Sequence[int]) -> None:
        if 5 in members or 2 in members:
            raise ValueError
        calls.append(list(members))

    isolate(list(range(8)), work, lambda member, _: failed.append(member))
    assert failed == [2, 5]
    assert sorted(member for part in calls for member in part) == [0, 1, 3, 4, 6, 7]
