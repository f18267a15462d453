"""A bad plug-in costs the episode in which it is bad; the service and the other episodes go on."""

from __future__ import annotations

import asyncio

import pytest

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import A3TError, DeadlineError, GoneError, UnplayableError, UpstreamError
from a3t_contracts.schemas import SessionCreate, SessionInfo
from tests.env.plugins.conftest import MOODS, ServiceFactory

ONE_PROCESS = {"env_plugin_processes": 1}


async def opened(client: EnvClient, task: str = "train-000") -> SessionInfo:
    return await client.create(SessionCreate(environment="moody", task_id=task))


@pytest.mark.parametrize(
    ("mood", "error", "problem"),
    [
        ("raise", UpstreamError, r"ValueError: a mood \(in step, .*moody_plugin.py:\d+\)"),
        ("leave", UpstreamError, "SystemExit"),
        ("exit", UpstreamError, "exit code 7"),
        ("segfault", UpstreamError, "signal 11"),
        ("hang", DeadlineError, "did not answer within 2 s"),
        ("huge", UpstreamError, "10,000,000 characters"),
        ("nan", UpstreamError, "must be finite"),
        ("infinite", UpstreamError, "must be finite"),
        ("number", UpstreamError, "must be a text"),
        ("none", UpstreamError, "must give \\(observation, reward, done\\)"),
        ("short", UpstreamError, "must give \\(observation, reward, done\\)"),
    ],
)
async def test_each_fault_costs_one_episode(
    serve: ServiceFactory, mood: str, error: type[A3TError], problem: str
) -> None:
    async with serve(f"moody={MOODS}:Moody", env_step_deadline=2.0, **ONE_PROCESS) as client:
        bad, good = await opened(client), await opened(client, "test-000")
        await client.step(good.id, "before", 0)
        with pytest.raises(error, match=problem):
            await client.step(bad.id, mood, 0)
        with pytest.raises(GoneError, match="its engine failed"):
            await client.step(bad.id, mood, 0)
        assert (await client.step(good.id, "after", 1)).observation == "2: after"
        assert (await client.step((await opened(client)).id, "win")).success


async def test_a_task_that_can_never_be_played_is_told_as_such(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Levels", **ONE_PROCESS) as client:
        with pytest.raises(UnplayableError, match=r"train-001 of moody can never be played: .*level 1 is gone"):
            await opened(client, "train-001")
        assert (await client.step((await opened(client, "train-002")).id, "win")).success


async def test_others_wait_for_a_hung_neighbour_and_go_on(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Moody", env_step_deadline=2.0, **ONE_PROCESS) as client:
        bad, good = await opened(client), [await opened(client, "test-001") for _ in range(6)]
        hang = asyncio.create_task(client.step(bad.id, "hang"))
        await asyncio.gather(*(client.step(session.id, "on", 0) for session in good))
        results = await asyncio.gather(*(client.step(session.id, "further", 1) for session in good))
        assert {r.observation for r in results} == {"2: further"}
        with pytest.raises(DeadlineError):
            await hang


async def test_an_episode_that_cannot_be_repeated_ends(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Forgetful", **ONE_PROCESS) as client:
        bad, other = await opened(client), await opened(client)
        with pytest.raises(UpstreamError):
            await client.step(bad.id, "exit")
        with pytest.raises(UpstreamError, match="the reset gave a different result than before"):
            await client.step(other.id, "on")


async def test_a_task_that_cannot_start_is_told(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Moody") as client:
        with pytest.raises(UpstreamError, match="this task is broken"):
            await opened(client, "train-003")


async def test_standard_streams_are_the_plugins_own_business(serve: ServiceFactory) -> None:
    async with serve(f"moody={MOODS}:Moody") as client:
        session = await opened(client)
        assert (await client.step(session.id, "print")).observation == "printed"
        assert (await client.step(session.id, "read")).observation == "nothing to read"
