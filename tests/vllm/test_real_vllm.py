"""The policy service in front of a real vLLM: what it says, and that no answer ever comes from other weights."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import DeadlineError, InvalidInputError, UnavailableError, UpstreamError
from a3t_contracts.react import History
from a3t_contracts.schemas import PromptStyle
from a3t_contracts.schemas.policy import ActRequest, ActResult, ActTurn, LoadAdapter, Sampling
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_policy.app import create_app
from a3t_policy.models.fetch import fetch
from tests.policy.conftest import policy_settings
from tests.policy.policy_support import publish_random
from tests.support.live_server import live_server
from tests.support.vllm_server import VLLM_PYTHON, VLLMServer

PAUSES = (UnavailableError, UpstreamError, DeadlineError)
TOKENS = 4
_START_SECONDS = 600.0
"""The service waits for the first answer of vLLM, and both may share the cores with other programs."""
VERSIONS = ("v-r00", "v-r01")


@pytest.fixture(scope="module")
def base() -> Path:
    """SmolLM2, which `make test-vllm` fetches."""
    assert VLLM_PYTHON.exists(), "scripts/setup_vllm.sh makes the environment of vLLM"
    os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
    return fetch("smollm2")


@pytest.fixture(scope="module")
def registry(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two adapters, and one of a rank that the server does not allow."""
    folder = tmp_path_factory.mktemp("registry")
    for seed, version in enumerate(VERSIONS):
        publish_random(folder, base, version, seed, scale=0.05)
    publish_random(folder, base, "wide-r00", 9, scale=0.05, rank=32)
    return folder


@pytest.fixture(scope="module")
def vllm(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[VLLMServer]:
    """The server; the services in front of it wait for its first answer."""
    server = VLLMServer(base, tmp_path_factory.mktemp("vllm") / "log.txt")
    server.start()
    try:
        server.wait()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="module")
def front(base: Path, registry: Path, vllm: VLLMServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The policy service in front of vLLM."""
    settings = policy_settings(
        base,
        tmp_path_factory.mktemp("front"),
        registry=str(registry),
        policy_backend="openai",
        policy_upstreams=vllm.url,
        policy_upstream_timeout=120.0,
    )
    with live_server(create_app(settings), patience=_START_SECONDS) as url:
        yield url


@pytest.fixture(scope="module")
def local(base: Path, registry: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The local engine with the same base and registry, in float32 as vLLM."""
    settings = policy_settings(
        base,
        tmp_path_factory.mktemp("local"),
        registry=str(registry),
        policy_dtype="float32",
        policy_max_context=512,
        policy_max_batch=4,
    )
    with live_server(create_app(settings), patience=_START_SECONDS) as url:
        yield url


@pytest.fixture
async def client(front: str) -> AsyncIterator[PolicyClient]:
    """Of the service in front of vLLM."""
    async with PolicyClient(front, DEVELOPMENT_TOKEN, timeout=600) as client:
        yield client


def turn(model: str | None, text: str = "You are in a room.", prompt: PromptStyle = PromptStyle.plain) -> ActTurn:
    history = History(environment="e", observation=text, prompt=prompt)
    return ActTurn(history=history, model=model, sampling=Sampling(max_tokens=TOKENS))


async def act(client: PolicyClient, *turns: ActTurn) -> list[ActResult]:
    results = (await client.act(ActRequest(turns=list(turns)), timeout=600)).results
    assert all(isinstance(result, ActResult) for result in results), results
    return [result for result in results if isinstance(result, ActResult)]


async def load(client: PolicyClient, version: str, **more: Any) -> None:
    await client.load(LoadAdapter(lora_name=version, **more), timeout=600)


async def test_it_says_what_the_local_engine_says(client: PolicyClient, local: str, vllm: VLLMServer) -> None:
    await load(client, VERSIONS[0])
    assert VERSIONS[0] in vllm.models()
    names = [None, VERSIONS[0]]
    turns = [turn(n, f"Room {i}.", style) for i, n in enumerate(names) for style in PromptStyle]
    ours = await act(client, *turns)
    async with PolicyClient(local, DEVELOPMENT_TOKEN, timeout=600) as other:
        await load(other, VERSIONS[0])
        theirs = await act(other, *turns)
    for mine, expected in zip(ours, theirs, strict=True):
        assert (mine.completion_ids, mine.prompt_tokens, mine.model) == (
            expected.completion_ids,
            expected.prompt_tokens,
            expected.model,
        )
        assert mine.logprobs == pytest.approx(expected.logprobs, abs=1e-3)
    assert ours[0].logprobs != pytest.approx(ours[2].logprobs, abs=1e-3), "the adapter changes something"


async def test_versions_are_swapped_under_load(client: PolicyClient, vllm: VLLMServer) -> None:
    await load(client, VERSIONS[0], make_default=True)
    (first,) = await act(client, turn(VERSIONS[0]))
    stop = asyncio.Event()
    seen: list[ActResult] = []

    async def ask() -> None:
        while not stop.is_set():
            seen.extend(await act(client, turn(None)))

    asking = [asyncio.create_task(ask()) for _ in range(4)]
    await load(client, VERSIONS[1], make_default=True)
    (second,) = await act(client, turn(VERSIONS[1]))
    await load(client, VERSIONS[0], make_default=True)
    stop.set()
    await asyncio.gather(*asking)  # no call failed
    told = {first.model: first.logprobs, second.model: second.logprobs}
    assert {result.model for result in seen} <= set(VERSIONS)
    assert all(result.logprobs == pytest.approx(told[result.model], abs=1e-3) for result in seen)
    await client.unload(VERSIONS[1])
    async with asyncio.timeout(60):
        while VERSIONS[1] in vllm.models():  # once its last request is over
            await asyncio.sleep(0.2)


async def test_a_rank_that_is_not_allowed_is_refused(client: PolicyClient, vllm: VLLMServer) -> None:
    await load(client, VERSIONS[0], make_default=True)
    with pytest.raises(InvalidInputError, match="max-lora-rank"):
        await load(client, "wide-r00", make_default=True)
    assert "wide-r00" not in vllm.models()
    assert (await client.live()).live == VERSIONS[0]
    assert (await act(client, turn(None)))[0].model == VERSIONS[0]


async def test_a_name_that_stands_for_other_files_is_replaced(
    client: PolicyClient, vllm: VLLMServer, registry: Path
) -> None:
    await load(client, VERSIONS[0], make_default=True)
    await load(client, VERSIONS[0], make_default=True)  # the same again changes nothing
    body = {"lora_name": VERSIONS[1], "lora_path": str(registry / VERSIONS[0])}
    httpx.post(f"{vllm.url}/v1/load_lora_adapter", json=body, timeout=120).raise_for_status()
    await load(client, VERSIONS[1])
    assert vllm.models()[VERSIONS[1]] == str(registry / VERSIONS[1])
    one, other = await act(client, turn(VERSIONS[0]), turn(VERSIONS[1]))
    assert one.logprobs != pytest.approx(other.logprobs, abs=1e-3)


async def test_no_step_comes_from_the_base_when_vllm_restarts(client: PolicyClient, vllm: VLLMServer) -> None:
    await load(client, VERSIONS[0], make_default=True)
    before, plain = await act(client, turn(VERSIONS[0]), turn(str(vllm.base)))
    assert before.logprobs != pytest.approx(plain.logprobs, abs=1e-3)
    stop, seen, failed = asyncio.Event(), [], []

    async def episodes() -> None:
        """As a worker: a service that is away is asked again."""
        while not stop.is_set():
            with suppress(*PAUSES):
                (result,) = (await client.act(ActRequest(turns=[turn(None)]), timeout=600)).results
                (seen if isinstance(result, ActResult) else failed).append(result)
            await asyncio.sleep(0.2)

    playing = [asyncio.create_task(episodes()) for _ in range(3)]
    while len(seen) < 2:
        await asyncio.sleep(0.1)
    vllm.kill()
    answered = len(seen)
    vllm.start()
    async with asyncio.timeout(_START_SECONDS):
        while len(seen) < answered + 4:
            await asyncio.sleep(0.2)
    stop.set()
    await asyncio.gather(*playing)
    assert failed, "it was away"
    assert {problem.status for problem in failed} <= {502, 503, 504}
    for result in seen:
        assert isinstance(result, ActResult)
        assert (result.model, result.completion_ids) == (VERSIONS[0], before.completion_ids)
        assert result.logprobs == pytest.approx(before.logprobs, abs=1e-3)
    assert VERSIONS[0] in vllm.models()
