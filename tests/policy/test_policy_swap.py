"""Versions that change under load: nobody fails, and every reply comes from the weights that it names."""

from __future__ import annotations

import asyncio
import itertools
import time
from pathlib import Path

import httpx
import pytest

from a3t_contracts.clients import PolicyClient
from a3t_contracts.schemas.policy import LoadAdapter
from a3t_policy.app import create_app
from tests.support.live_server import live_server

from .conftest import FORCED, policy_settings
from .policy_support import publish_forcing

CLIENTS, SWAPS = 64, 20


async def test_swap_under_load(tiny_model: Path, registry: Path, tmp_path: Path, token: str) -> None:
    settings = policy_settings(tiny_model, tmp_path, registry=str(registry), policy_max_adapters=3)
    with live_server(create_app(settings)) as url:
        replies, last = await _swap_while_asking(url, token)
    assert len(replies) >= CLIENTS
    wrong = [r for r in replies if r["token_ids"] != [FORCED[r["model"]]] * len(r["token_ids"])]
    assert wrong == []
    assert last in {r["model"] for r in replies}
    assert len({r["model"] for r in replies}) >= 5


async def _swap_while_asking(url: str, token: str) -> tuple[list[dict[str, object]], str]:
    """Replies of 64 clients who ask without a pause while 20 swaps happen; any failure is raised."""
    stop = asyncio.Event()
    replies: list[dict[str, object]] = []
    headers = {"Authorization": f"Bearer {token}"}
    limits = httpx.Limits(max_connections=CLIENTS + 1)
    async with (
        PolicyClient(url, token) as manager,
        httpx.AsyncClient(base_url=url, headers=headers, limits=limits, timeout=120) as http,
    ):
        names = list(itertools.islice(itertools.cycle(FORCED), SWAPS))
        await manager.load(LoadAdapter(lora_name=names[-1]))

        async def client(number: int) -> None:
            while not stop.is_set():
                body = {"prompt": f"Observation: client {number}", "max_tokens": 1 + number % 7, "temperature": 0,
                        "return_token_ids": True}  # fmt: skip
                reply = await http.post("/v1/completions", json=body)
                reply.raise_for_status()
                choice = reply.json()["choices"][0]
                replies.append({"model": reply.json()["model"], "token_ids": choice["token_ids"]})

        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(number))
            for name in names:
                seen = len(replies)
                card = await manager.load(LoadAdapter(lora_name=name))
                assert card.live
                while len(replies) < seen + CLIENTS // 2:
                    await asyncio.sleep(0.005)
            stop.set()
    return replies, names[-1]


async def test_a_running_request_finishes_on_its_version(
    tiny_model: Path, registry: Path, tmp_path: Path, token: str
) -> None:
    first, second, third = list(FORCED)[:3]
    settings = policy_settings(tiny_model, tmp_path, registry=str(registry), policy_max_adapters=1)
    with live_server(create_app(settings)) as url:
        headers = {"Authorization": f"Bearer {token}"}
        async with PolicyClient(url, token) as manager, httpx.AsyncClient(base_url=url, headers=headers) as http:
            await manager.load(LoadAdapter(lora_name=first))
            ask = {"prompt": "Observation: x", "max_tokens": 300, "temperature": 0, "stream": True,
                   "return_token_ids": True}  # fmt: skip
            async with http.stream("POST", "/v1/completions", json=ask, timeout=120) as reply:
                lines = reply.aiter_lines()
                begun = await anext(lines)
                await manager.load(LoadAdapter(lora_name=second))
                await manager.load(LoadAdapter(lora_name=third))
                rest = [line async for line in lines if line.startswith("data: {")]
            assert all(f'"model": "{first}"' in line for line in (begun, *rest))
            assert sum(f'"token_ids": [{FORCED[first]}]' in line for line in (begun, *rest)) == 300
            assert [card.id for card in await manager.models()] == [str(tiny_model), third]


@pytest.mark.slow
async def test_a_published_version_serves_within_a_second(
    tiny_model: Path, registry: Path, tmp_path: Path, token: str
) -> None:
    """Wall clock, so out of the ordinary suite; on an idle machine."""
    with live_server(create_app(policy_settings(tiny_model, tmp_path))) as url:
        async with PolicyClient(url, token) as manager:
            publish_forcing(tmp_path / "registry", tiny_model, "warm-r00", 70)
            await manager.load(LoadAdapter(lora_name="warm-r00"))
            publish_forcing(tmp_path / "registry", tiny_model, "fresh-r01", 71)
            started = time.perf_counter()
            await manager.load(LoadAdapter(lora_name="fresh-r01"))
            assert time.perf_counter() - started < 1.0
