"""The openai and tgi backends against a real second instance of the service, with faults between them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import ValidationError

from a3t_contracts.clients import PolicyClient
from a3t_contracts.errors import (
    A3TError,
    DeadlineError,
    InvalidInputError,
    OverloadedError,
    UnavailableError,
    UpstreamError,
)
from a3t_contracts.react import History
from a3t_contracts.schemas.policy import Sampling
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_policy.app import create_app
from a3t_policy.backends import make_backend
from a3t_policy.backends.remote import RemoteBackend
from a3t_policy.generation import Delta, Generated, Generation
from a3t_policy.turn import cut_turn
from tests.support.fault_proxy import FaultProxy
from tests.support.lax_openai import LaxOpenAI
from tests.support.lax_tgi import LaxTGI
from tests.support.live_server import free_port, live_server

from .conftest import FORCED, policy_settings

VERSION, TOKEN = list(FORCED.items())[3]


@pytest.fixture(scope="module")
def proxy(policy: str) -> Iterator[tuple[str, FaultProxy]]:
    app = FaultProxy(policy)
    with live_server(app) as url:
        yield url, app


@pytest.fixture
def faulty(proxy: tuple[str, FaultProxy]) -> Iterator[tuple[str, FaultProxy]]:
    proxy[1].reset()
    yield proxy
    proxy[1].reset()


@asynccontextmanager
async def behind(
    base: Path, home: Path, registry: Path, urls: list[str], kind: str = "openai", **changes: Any
) -> AsyncIterator[RemoteBackend]:
    settings = policy_settings(
        base,
        home,
        registry=str(registry),
        policy_backend=kind,
        policy_upstreams=",".join(urls),
        policy_upstream_token=DEVELOPMENT_TOKEN,
        **changes,
    )
    backend = make_backend(settings)
    assert isinstance(backend, RemoteBackend)
    await backend.start()
    while backend.upstreams.warming:
        await asyncio.sleep(0.01)
    try:
        yield backend
    finally:
        await backend.close()


def ask(backend: RemoteBackend, model: str | None = None, act: bool = False, **sampling: Any) -> Generation:
    history = History(environment="alfworld", observation="You are in a room.")
    ids, text = backend.codec.history(history)
    return Generation(ids, text, Sampling(**({"max_tokens": 8} | sampling)), model=model, act=act)


async def listed(url: str) -> list[str]:
    """What the server at this address serves."""
    async with PolicyClient(url, DEVELOPMENT_TOKEN) as client:
        return [card.id for card in await client.models()]


@pytest.mark.parametrize("kind", ["openai", "tgi"])
async def test_upstream_says_what_the_local_one_says(
    kind: str, tiny_model: Path, registry: Path, tmp_path: Path, policy: str
) -> None:
    async with behind(tiny_model, tmp_path, registry, [policy], "openai") as backend:
        await backend.load(VERSION, None, make_default=False)
        expected = await backend.generate(ask(backend))
    async with behind(tiny_model, tmp_path / kind, registry, [policy], kind) as backend:
        if kind == "openai":
            await backend.load(VERSION, None, make_default=True)
            forced = await backend.generate(ask(backend))
            assert (forced.ids, forced.model) == ([TOKEN] * 8, VERSION)
        base = await backend.generate(ask(backend, str(tiny_model)))
        assert (base.text, base.ids) == (expected.text, expected.ids)
        assert base.logprobs == pytest.approx(expected.logprobs, abs=1e-4)
        news = [item async for item in backend.stream(ask(backend, str(tiny_model)))]
        last = news[-1]
        assert isinstance(last, Generated)
        assert last.text == expected.text
        assert expected.text.startswith("".join(item.text for item in news if isinstance(item, Delta)))


@pytest.mark.parametrize("kind", ["openai", "tgi"])
async def test_streams_hold_every_token_and_say_what_stopped_them(
    kind: str, tiny_model: Path, registry: Path, tmp_path: Path, policy: str
) -> None:
    async with behind(tiny_model, tmp_path, registry, [policy], kind) as backend:
        free = ask(backend, str(tiny_model), temperature=1.0, seed=5, max_tokens=24)
        text = (await backend.generate(free)).text
        for stop in (text[3:6], text[8:15], text[9:10]):
            stopped = replace(free, stop=(stop,))
            whole = await backend.generate(stopped)
            news = [item async for item in backend.stream(stopped)]
            last, deltas = news[-1], [item for item in news if isinstance(item, Delta)]
            assert isinstance(last, Generated)
            assert last.text == whole.text == text[: text.index(stop)]
            assert last.finish_reason == whole.finish_reason == "stop"
            assert whole.stop_sequence == last.stop_sequence == stop
            assert [token.id for delta in deltas for token in delta.tokens] == [t.id for t in whole.tokens or []]
            assert whole.text.startswith("".join(delta.text for delta in deltas))


async def test_top_tokens_of_an_openai_upstream_are_passed_on(
    tiny_model: Path, registry: Path, tmp_path: Path, policy: str, token: str
) -> None:
    own = httpx.Client(base_url=policy, headers={"Authorization": f"Bearer {token}"}, timeout=60)
    bodies = {
        "/v1/completions": {"prompt": "Observation: x", "max_tokens": 30, "seed": 3, "temperature": 2.0, "logprobs": 3},
        "/v1/chat/completions": {
            "messages": [{"role": "user", "content": "x"}],
            "max_tokens": 30,
            "seed": 3,
            "temperature": 2.0,
            "logprobs": True,
            "top_logprobs": 3,
        },
    }
    settings = policy_settings(
        tiny_model,
        tmp_path,
        registry=str(registry),
        policy_backend="openai",
        policy_upstreams=policy,
        policy_upstream_token=DEVELOPMENT_TOKEN,
    )
    with live_server(create_app(settings)) as url:
        passed = httpx.Client(base_url=url, headers=own.headers, timeout=60)
        for path, body in bodies.items():
            body |= {"model": str(tiny_model)}
            expected, given = (http.post(path, json=body).json()["choices"][0]["logprobs"] for http in (own, passed))
            for mine, theirs in zip(_tops(expected), _tops(given), strict=True):
                assert list(theirs) == list(mine)
                assert list(theirs.values()) == pytest.approx(list(mine.values()), abs=1e-4)


def _tops(logprobs: dict[str, Any]) -> list[dict[Any, float]]:
    if "content" not in logprobs:
        return list(logprobs["top_logprobs"])
    rows = [row["top_logprobs"] for row in logprobs["content"]]
    return [{(top["token"], *top["bytes"]): top["logprob"] for top in row} for row in rows]


async def test_tgi_proves_the_adapters_it_was_started_with(
    tiny_model: Path, registry: Path, tmp_path: Path, policy: str
) -> None:
    """As TGI does, the server answers an adapter that it does not know with the base, and with status 200."""
    async with behind(tiny_model, tmp_path, registry, [policy], "openai") as first:
        for version in (VERSION, "run-r00"):
            await first.load(version, None, make_default=False)
        server = LaxTGI(policy, str(tiny_model), [VERSION, "run-r00"])
        with live_server(server) as url:
            async with behind(tiny_model, tmp_path / "tgi", registry, [url], "tgi") as backend:
                await backend.load("run-r00", None, make_default=True)
                assert (await backend.generate(ask(backend))).model == "run-r00"
                await backend.load(VERSION, None, make_default=True)
                with pytest.raises(InvalidInputError, match=r"does not serve adapter 'run-r01'.*LORA_ADAPTERS=run-r01"):
                    await backend.load("run-r01", None, make_default=True)
                assert backend.versions.live.name == VERSION
                assert (await backend.generate(ask(backend))).ids == [TOKEN] * 8
                asked = len(server.posts)
                await backend.generate(ask(backend))
                assert len(server.posts) == asked + 1, "it is proved once"
                backend.upstreams.servers[0].failed()
                server.adapters.clear()  # it comes back as another process
                with pytest.raises(InvalidInputError, match="does not serve"):
                    await backend.generate(ask(backend))
        for version in (VERSION, "run-r00"):
            await first.unload(version)


async def test_an_openai_server_that_ignores_the_model_is_found_out(
    tiny_model: Path, registry: Path, tmp_path: Path, policy: str
) -> None:
    with live_server(LaxOpenAI(policy, str(tiny_model))) as url:
        async with behind(tiny_model, tmp_path, registry, [url]) as backend:
            with pytest.raises(InvalidInputError, match="like the name of no adapter"):
                await backend.load(VERSION, None, make_default=True)
            assert backend.versions.live is backend.versions.base


async def test_adapters_are_loaded_read_back_and_unloaded(
    tiny_model: Path, registry: Path, tmp_path: Path, faulty: tuple[str, FaultProxy]
) -> None:
    url, proxy = faulty
    name = list(FORCED)[4]
    async with behind(tiny_model, tmp_path, registry, [url]) as backend:
        proxy.faults.append(500)
        with pytest.raises(UpstreamError):
            await backend.load(name, None, make_default=True)
        assert backend.versions.live is backend.versions.base
        await backend.load(name, None, make_default=True)
        assert name in await listed(url)
        backend.upstreams.servers[0].adapters.clear()  # as after a restart of the upstream
        assert (await backend.generate(ask(backend))).ids == [FORCED[name]] * 8
        await backend.unload(name)
        await backend.versions.drained()
        assert name not in await listed(url)


@pytest.mark.parametrize("kind", ["openai", "tgi"])
@pytest.mark.parametrize("fault", [500, 502, 503, "html", "cut", "hang"])
async def test_failover_to_the_next_server(
    kind: str,
    fault: int | str,
    tiny_model: Path,
    registry: Path,
    tmp_path: Path,
    policy: str,
    faulty: tuple[str, FaultProxy],
) -> None:
    url, proxy = faulty
    changes = {"policy_upstream_timeout": 1.0 if fault == "hang" else 60.0}
    async with behind(tiny_model, tmp_path, registry, [url, policy], kind, **changes) as backend:
        proxy.always = fault
        proxy.posts.clear()
        done = await backend.generate(ask(backend, max_tokens=2))
        assert done.completion_tokens == 2
        assert not backend.upstreams.servers[0].healthy
        assert len(proxy.posts) == 1
        await backend.generate(ask(backend, max_tokens=2))
        assert len(proxy.posts) == 1  # left alone for a while


@pytest.mark.parametrize(
    ("fault", "error"), [("hang", DeadlineError), (500, UpstreamError), (503, UnavailableError), (429, OverloadedError)]
)
async def test_when_every_server_fails_the_client_hears_why(
    fault: int | str,
    error: type[A3TError],
    tiny_model: Path,
    registry: Path,
    tmp_path: Path,
    faulty: tuple[str, FaultProxy],
) -> None:
    url, proxy = faulty
    changes = {"policy_upstream_timeout": 0.5 if fault == "hang" else 60.0}
    async with behind(tiny_model, tmp_path, registry, [url], **changes) as backend:
        proxy.always = fault
        with pytest.raises(error):
            async with asyncio.timeout(30):
                await backend.generate(ask(backend))


async def test_a_server_that_is_away(tiny_model: Path, registry: Path, tmp_path: Path, policy: str) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    async with behind(tiny_model, tmp_path, registry, [nobody, policy]) as backend:
        assert (await backend.generate(ask(backend, max_tokens=1))).completion_tokens == 1
        assert (await backend.ready())["upstreams"] == [policy]
    async with behind(tiny_model, tmp_path / "x", registry, [nobody]) as backend:
        with pytest.raises(UnavailableError):
            await backend.generate(ask(backend))
        with pytest.raises(UnavailableError):
            await backend.ready()


async def test_back_pressure(tiny_model: Path, registry: Path, tmp_path: Path, faulty: tuple[str, FaultProxy]) -> None:
    url, proxy = faulty
    changes = {"policy_upstream_concurrency": 2, "policy_max_queue": 1, "policy_upstream_timeout": 20.0}
    async with behind(tiny_model, tmp_path, registry, [url], **changes) as backend:
        proxy.always = "hang"
        tasks = [asyncio.ensure_future(backend.generate(ask(backend))) for _ in range(3)]
        while backend.upstreams.load < 3:
            await asyncio.sleep(0)
        with pytest.raises(OverloadedError):
            await backend.generate(ask(backend))
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert backend.upstreams.load == 0


async def test_an_action_ends_at_its_line(
    tiny_model: Path, registry: Path, tmp_path: Path, faulty: tuple[str, FaultProxy]
) -> None:
    url, proxy = faulty
    async with behind(tiny_model, tmp_path, registry, [url], policy_upstream_token_ids=False) as backend:
        proxy.faults.append("Thought: I look.\nAction: go to cabinet 1\nObservation: made up")
        done = cut_turn(await backend.generate(ask(backend, act=True)), backend.codec)
        assert (done.text, done.ids) == ("Thought: I look.\nAction: go to cabinet 1\n", None)
        assert proxy.posts[-1]["prompt"].startswith("Observation: You are")


def test_upstreams_must_be_named(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ValidationError, match="A3T_POLICY_UPSTREAMS"):
        policy_settings(tiny_model, tmp_path, policy_backend="openai")


async def test_a_first_answer_may_take_longer_than_later_ones(
    tiny_model: Path, registry: Path, tmp_path: Path, faulty: tuple[str, FaultProxy]
) -> None:
    url, proxy = faulty
    proxy.always = "hang"
    slow = {"policy_upstream_timeout": 0.2, "policy_upstream_first_timeout": 30.0}
    async with asyncio.timeout(20):
        starting = asyncio.ensure_future(_start(tiny_model, tmp_path, registry, url, **slow))
        await asyncio.sleep(0.6)
        assert not starting.done(), "it waits for the first answer, longer than for later ones"
        proxy.reset()
        starting.cancel()
    async with behind(tiny_model, tmp_path, registry, [url], **slow) as backend:
        server = backend.upstreams.servers[0]
        assert server.warm
        proxy.always = "hang"
        with pytest.raises(DeadlineError, match=r"within 0\.2 s"):
            await backend.generate(ask(backend))
        assert server.warm, "slow is not gone"


async def _start(base: Path, home: Path, registry: Path, url: str, **changes: Any) -> None:
    async with behind(base, home, registry, [url], **changes):
        pass


async def test_many_calls_that_miss_a_version_load_it_once(
    tiny_model: Path, registry: Path, tmp_path: Path, policy: str, faulty: tuple[str, FaultProxy]
) -> None:
    url, proxy = faulty
    name = list(FORCED)[2]
    async with behind(tiny_model, tmp_path, registry, [url]) as backend:
        await backend.load(name, None, make_default=True)
        async with PolicyClient(policy, DEVELOPMENT_TOKEN) as client:
            await client.unload(name)  # as after a restart of the upstream
        proxy.posts.clear()
        done = await asyncio.gather(*(backend.generate(ask(backend)) for _ in range(12)))
        assert {(d.model, *(d.ids or ())) for d in done} == {(name, *[FORCED[name]] * 8)}
        assert sum("lora_path" in post for post in proxy.posts) == 1
        await backend.unload(name)
        await backend.versions.drained()
