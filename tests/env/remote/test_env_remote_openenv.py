"""A real server of the openenv package behind the env service."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from a3t_contracts.errors import OverloadedError, UpstreamError
from a3t_env.remote.address import addresses
from a3t_env.remote.deadline import within
from a3t_env.remote.openenv import OpenEnvBackend
from a3t_env.sessions import SessionManager
from tests.support.live_server import free_port, live_server
from tests.support.openenv_echo import Echo, server
from tests.support.remote_play import play

ManagerOf = Callable[..., SessionManager]


def remote(url: str) -> str:
    return f"game=openenv+{url.replace('http', 'ws')}?tasks=5&split=train&tasks=2&split=test&about=Say+numbers."


async def test_a_server_of_openenv_is_played(manager_of: ManagerOf) -> None:
    with live_server(server()) as url:
        manager = manager_of(remote(url))
        info = manager.environments.get("game").info()
        assert (info.about, info.engines, info.lists_actions) == ("Say numbers.", ["openenv"], False)
        session, other = await manager.create(play("train-003")), await manager.create(play("test-001"))
        assert session.observation == "Say the number after 3."
        assert other.observation == "Say the number after 6."
        first = await manager.step(session.id, "9", 0)
        assert (first.observation, first.reward, first.done) == ("9", 0.0, False)
        assert await manager.step(session.id, "9", 0) == first
        last = await manager.step(session.id, "4", 1)
        assert (last.done, last.success) == (True, True)
        open_before = Echo.open
        await manager.close(session.id)
        async with asyncio.timeout(10):
            while Echo.open != open_before - 1:
                await asyncio.sleep(0.02)


async def test_a_restart_is_made_good_by_a_replay(manager_of: ManagerOf) -> None:
    port = free_port()
    with live_server(server(), port) as url:
        manager = manager_of(remote(url))
        session = await manager.create(play("train-003"))
        await manager.step(session.id, "9", 0)
    with live_server(server(), port):
        assert (await manager.step(session.id, "4", 1)).success


@pytest.mark.parametrize(("action", "why"), [("break", "the echo broke"), ("shout", "more than")])
async def test_what_breaks_costs_one_episode(manager_of: ManagerOf, action: str, why: str) -> None:
    with live_server(server()) as url:
        manager = manager_of(remote(url))
        session, other = await manager.create(play("train-003")), await manager.create(play("train-004"))
        with pytest.raises(UpstreamError, match=why):
            await manager.step(session.id, action, 0)
        assert (await manager.step(other.id, "5", 0)).success


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everyone to another address."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send_response(302)
        self.send_header("Content-Length", "0")
        self.send_header("Location", "ws://127.0.0.1:1/ws")
        self.end_headers()


def test_a_redirect_is_not_followed() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as redirecting:
        Thread(target=redirecting.serve_forever, daemon=True).start()
        [address] = addresses(remote(f"http://127.0.0.1:{redirecting.server_port}"))
        backend = OpenEnvBackend(address, 1000)
        with within(10.0), pytest.raises(UpstreamError, match="cannot follow redirect to ws://127"):
            backend.open(backend.tasks()[0], 0, {})
        backend.close()
        redirecting.shutdown()


async def test_a_server_that_is_full_says_so(manager_of: ManagerOf) -> None:
    with live_server(server(envs=1)) as url:
        manager = manager_of(remote(url))
        await manager.create(play("train-003"))
        with pytest.raises(OverloadedError, match="CAPACITY_REACHED"):
            await manager.create(play("train-004"))
