"""The clients' connections against a real server: kept, bounded, given back whatever happens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, Request

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.clients.connections import ConnectionStack, transport_for
from a3t_contracts.errors import DeadlineError, UpstreamError
from a3t_contracts.service import create_service
from a3t_contracts.settings import DEVELOPMENT_TOKEN, ServiceSettings
from tests.support.live_server import live_server

seen: list[int] = []
"""The client's port of every request: one a connection."""
router = APIRouter()


@router.get("/v1/sessions/{name}/actions")
async def actions(name: str, request: Request) -> dict[str, list[str]]:
    seen.append(request.scope["client"][1])
    if name == "slow":
        await asyncio.sleep(30)
    await asyncio.sleep(0.01)
    return {"actions": [name]}


@router.get("/v1/sessions/{name}")
async def session(name: str) -> dict[str, str]:
    return {"name": name}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with live_server(create_service("test", ServiceSettings(), [router])) as url:
        yield url


@pytest.fixture(autouse=True)
def _nothing_seen() -> None:
    seen.clear()


def client(url: str, connections: int, timeout: float = 30.0) -> EnvClient:
    retry = RetryPolicy(attempts=1)
    return EnvClient(url, DEVELOPMENT_TOKEN, max_connections=connections, timeout=timeout, retry=retry)


async def until_seen(requests: int) -> None:
    async with asyncio.timeout(20):
        while len(seen) < requests:
            await asyncio.sleep(0.005)


async def test_calls_one_after_the_other_share_a_connection(server: str) -> None:
    async with client(server, 8) as env:
        for _ in range(5):
            assert await env.actions("s") == ["s"]
    assert len(seen) == 5
    assert len(set(seen)) == 1


async def test_many_calls_at_once_take_the_connections_that_there_are(server: str) -> None:
    async with client(server, 4) as env:
        names = [str(n) for n in range(40)]
        assert await asyncio.gather(*(env.actions(name) for name in names)) == [[name] for name in names]
    assert len(seen) == 40
    assert len(set(seen)) == 4


async def test_who_finds_no_connection_in_time_hears_it(server: str) -> None:
    """The call that holds the connection may take far longer than the other waits: only one of them can end first."""
    headers = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
    stack = ConnectionStack(1)
    async with httpx.AsyncClient(base_url=server, transport=stack, headers=headers, timeout=30.0) as http:
        slow = asyncio.ensure_future(http.get("/v1/sessions/slow/actions"))
        await until_seen(1)
        with pytest.raises(httpx.PoolTimeout, match="no connection became free"):
            await http.get("/v1/sessions/s/actions", timeout=0.2)
        assert not slow.done()
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert (await http.get("/v1/sessions/s/actions")).json() == {"actions": ["s"]}
    assert seen[0] != seen[1]


async def test_a_cancelled_or_timed_out_call_gives_its_connection_back(server: str) -> None:
    async with client(server, 1, timeout=0.3) as env:
        with pytest.raises(DeadlineError):
            await env.actions("slow")
        call = asyncio.ensure_future(env.actions("slow"))
        await until_seen(2)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        assert await env.actions("s") == ["s"]
    assert len(set(seen)) == 3


async def test_connections_that_lie_idle_are_closed(server: str) -> None:
    stack = ConnectionStack(8, keep_seconds=0.0)
    async with httpx.AsyncClient(base_url=server, transport=stack) as http:
        replies = await asyncio.gather(*(http.get("/health") for _ in range(8)))
        assert all(reply.is_success for reply in replies)
        assert stack.idle <= 1


async def test_a_server_that_was_restarted_is_reached_again() -> None:
    app = create_service("test", ServiceSettings(), [router])
    with live_server(app) as first:
        env = client(first, 2)
        assert await env.actions("s") == ["s"]
    port = int(first.rsplit(":", 1)[1])
    with live_server(app, port):
        assert await env.actions("s") == ["s"]
    await env.aclose()


async def test_a_reply_of_another_version_is_a_typed_error(server: str) -> None:
    async with client(server, 1) as env:
        with pytest.raises(UpstreamError, match="does not understand: Field required"):
            await env.session("s")


async def test_behind_a_proxy_httpx_decides(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert transport_for(server, 1) is None
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert isinstance(transport_for(server, 1), ConnectionStack)
