"""Our environments for the client of the openenv package, as it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from openenv import GenericEnvClient
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from a3t_env.app import create_app
from tests.env.elsewhere.conftest import AUTHORIZED, settings_of
from tests.support.examples import load_example
from tests.support.live_server import live_server


def client_of(service: str, place: str) -> GenericEnvClient:
    return GenericEnvClient(f"{service}/openenv/{place}", headers=AUTHORIZED)


def open_sessions(service: str) -> int:
    lines = httpx.get(f"{service}/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith("a3t_env_sessions ")).split()[1]))


async def until(holds: Callable[[], bool]) -> None:
    """Wait for a condition that another thread brings about."""
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(holds):
            await asyncio.sleep(0.01)


async def test_the_client_plays_and_resets(service: str) -> None:
    before = open_sessions(service)
    async with client_of(service, "guess") as env:
        assert await env.state() == {
            "episode_id": None,
            "step_count": 0,
            "environment": None,
            "task_id": None,
            "split": None,
        }
        for reset in ({"task_id": "train-007"}, {"split": "test", "index": 3}, {"seed": 11}, {}):
            begun = await env.reset(**reset)
            assert (begun.observation["text"], begun.reward, begun.done) == (
                "Guess a number from 1 to 20.",
                None,
                False,
            )
            assert begun.observation["actions"][0] == "guess 1"
            low, high, said = 1, 20, begun
            while not said.done:
                middle = (low + high) // 2
                said = await env.step({"action": f"guess {middle}"})
                low, high = (middle + 1, high) if said.observation["text"] == "higher" else (low, middle - 1)
            assert (said.reward, said.observation["success"]) == (1.0, True)
            shown = await env.state()
            assert shown["step_count"] > 0
            assert "task_id" not in reset or shown["task_id"] == "train-007"
            assert "index" not in reset or shown["task_id"] == "test-003"
            assert "seed" not in reset or shown["task_id"] == "train-011"
            assert open_sessions(service) == before + 1
    await until(lambda: open_sessions(service) == before)


def test_the_synchronous_client_plays_a_game_of_data(service: str) -> None:
    with client_of(service, "alfworld:generated_train").sync() as env:
        first = env.reset(seed=1)
        assert "Your task is to" in first.observation["text"]
        assert env.step({"action": first.observation["actions"][0]}).observation["valid"]
        assert not env.step({"action": "sing"}).observation["valid"]
        assert env.reset(seed=1).observation == first.observation


async def test_a_client_that_breaks_off_leaves_no_session(service: str) -> None:
    before = open_sessions(service)
    socket = await connect(
        f"{service.replace('http', 'ws')}/openenv/guess/ws", additional_headers=AUTHORIZED, proxy=None
    )
    await socket.send('{"type": "reset"}')
    await socket.recv()
    assert open_sessions(service) == before + 1
    socket.transport.abort()
    await until(lambda: open_sessions(service) == before)


@pytest.mark.parametrize(
    ("place", "call", "said"),
    [
        ("guess", lambda env: env.step({"action": "guess 1"}), "no episode yet.*EXECUTION_ERROR"),
        ("guess", lambda env: env.step({"guess": "1"}), "action: Field required.*VALIDATION_ERROR"),
        ("guess", lambda env: env.reset(seed=-1), "greater than or equal to 0.*VALIDATION_ERROR"),
        ("guess", lambda env: env.reset(index=999), "no task 999 in guess.*EXECUTION_ERROR"),
        ("guess", lambda env: env.reset(split="dev"), "no split 'dev'.*EXECUTION_ERROR"),
        ("guess", lambda env: env.reset(task_id="never"), "never.*EXECUTION_ERROR"),
        ("guess", lambda env: env.reset(task_id="x" * 70_000), "over the limit.*VALIDATION_ERROR"),
        ("chess", lambda env: env.reset(), "no environment 'chess'.*EXECUTION_ERROR"),
        ("webshop", lambda env: env.reset(), "a3t data.*EXECUTION_ERROR"),
    ],
)
async def test_what_cannot_be_done_is_told_and_the_connection_stays(
    service: str, place: str, call: Callable[..., object], said: str
) -> None:
    async with client_of(service, place) as env:
        with pytest.raises(RuntimeError, match=f"(?s){said}"):
            await call(env)  # type: ignore[misc]
        assert (await env.state())["episode_id"] is None


async def test_messages_of_no_protocol_are_told(service: str) -> None:
    url = f"{service.replace('http', 'ws')}/openenv/guess/ws"
    async with connect(url, additional_headers=AUTHORIZED, proxy=None) as socket:
        for message, code in (
            ("{", "INVALID_JSON"),
            (b"\xff", "INVALID_JSON"),
            ("[]", "VALIDATION_ERROR"),
            ('{"type": "mcp"}', "UNKNOWN_TYPE"),
            ('{"type": "step"}', "VALIDATION_ERROR"),
        ):
            await socket.send(message)
            assert f'"code":"{code}"' in str(await socket.recv())


async def test_a_full_service_says_so_and_has_room_again(home: Path) -> None:
    with live_server(create_app(settings_of(home, env_max_sessions=1))) as url:
        async with client_of(url, "guess") as first, client_of(url, "guess") as second:
            await first.reset()
            with pytest.raises(RuntimeError, match="CAPACITY_REACHED"):
                await second.reset()
            await first.reset()
            await first.disconnect()
            await until(lambda: open_sessions(url) == 0)
            assert (await second.reset()).observation["text"]


async def test_the_token_is_asked_for(service: str) -> None:
    url = f"{service.replace('http', 'ws')}/openenv/guess/ws"
    with pytest.raises(InvalidStatus):
        await connect(url, proxy=None)
    assert httpx.get(f"{service}/openenv/guess/schema").status_code == 401


def test_schemas_and_metadata(service: str) -> None:
    schema = httpx.get(f"{service}/openenv/guess/schema", headers=AUTHORIZED).json()
    assert schema["action"]["required"] == ["action"]
    told = httpx.get(f"{service}/openenv/guess:test/metadata", headers=AUTHORIZED).json()
    assert told["name"] == "guess"
    assert told["description"].startswith("The agent guesses")


def test_the_example_plays(service: str) -> None:
    agent = load_example("elsewhere/openenv_agent.py")
    assert agent.play(f"{service}/openenv/guess", AUTHORIZED, 3) == agent.play(
        f"{service}/openenv/guess", AUTHORIZED, 3
    )
