"""A remote environment has everything that the service gives its own: repeated steps, replays, deadlines, reaping."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

import pytest
from prometheus_client import REGISTRY

from a3t_contracts.errors import (
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    UnavailableError,
    UnplayableError,
    UpstreamError,
)
from a3t_contracts.schemas import SampleRequest
from a3t_env.environments import configured
from a3t_env.reference_server import environment_app
from a3t_env.sessions import SessionManager
from a3t_env.settings import EnvSettings
from tests.support.examples import load_example
from tests.support.live_server import free_port, live_server
from tests.support.moody_plugin import Levels
from tests.support.remote_play import play
from tests.support.spoiled_env import GARBAGE, Spoiled, dripping_server

ManagerOf = Callable[..., SessionManager]
Guess = load_example("environments/guess.py").Guess


class Dice(Guess):
    """A guessing game that is another at every start."""

    def reset(self, task, seed):
        self.number = random.SystemRandom().randint(1, 10**9)
        return f"Guess. The day is {self.number}."


class Closing(Guess):
    """Counts the environments that are open."""

    open = 0

    def __init__(self):
        self.low, self.high = 1, 20

    def reset(self, task, seed):
        Closing.open += 1
        return super().reset(task, seed)

    def close(self):
        if hasattr(self, "number"):
            Closing.open -= 1


async def solve(manager, session_id: str) -> list[str]:
    """Play with the expert to the end; the observations."""
    seen = []
    for index in range(8):
        action = await manager.expert(session_id)
        result = await manager.step(session_id, action, index)
        seen.append(result.observation)
        if result.done:
            assert result.success
            return seen
    raise AssertionError(f"not solved: {seen}")


async def test_a_remote_is_played_like_any_environment(manager_of: ManagerOf) -> None:
    with live_server(environment_app(Guess)) as url:
        manager = manager_of(f"game={url}")
        session = await manager.create(play(include_actions=True))
        assert session.engine == "http"
        assert session.actions == [f"guess {n}" for n in range(1, 21)]
        assert await manager.sample(session.id, SampleRequest(seed=3)) in session.actions
        bad = await manager.step(session.id, "dance", 0)
        assert not bad.valid
        again = await manager.step(session.id, "dance", 0)
        assert again == bad
        first = await manager.create(play())
        second = await manager.create(play())
        assert await solve(manager, first.id) == await solve(manager, second.id)
        with pytest.raises(NotFoundError, match="has no task"):
            await manager.create(play("train-999"))
        with pytest.raises(InvalidInputError, match="no option"):
            await manager.create(play(options={"size": "large"}))


async def test_a_task_that_the_remote_can_never_play_is_told_as_such(manager_of: ManagerOf) -> None:
    with live_server(environment_app(Levels)) as url:
        manager = manager_of(f"game={url}")
        with pytest.raises(UnplayableError, match="level 1 is gone"):
            await manager.create(play("train-001"))
        assert (await manager.create(play("train-000"))).observation.startswith("train-000")


async def test_64_episodes_at_once_come_out_as_one_alone(manager_of: ManagerOf) -> None:
    with live_server(environment_app(Guess)) as url:
        manager = manager_of(f"game={url}")
        alone = await solve(manager, (await manager.create(play())).id)
        sessions = await asyncio.gather(*(manager.create(play()) for _ in range(64)))
        assert await asyncio.gather(*(solve(manager, session.id) for session in sessions)) == [alone] * 64


async def test_a_lost_reply_is_asked_for_again_and_the_step_made_once(manager_of: ManagerOf) -> None:
    app = Spoiled(environment_app(Guess))
    with live_server(app) as url:
        manager = manager_of(f"game={url}")
        session = await manager.create(play())
        app.faults.extend(["lost", "cut", "busy", "ok", "lost"])
        assert len(await solve(manager, session.id)) >= 3
        assert app.asked.count("POST /episodes") == 1


async def test_a_server_that_makes_repeated_steps_twice_is_replayed_instead(manager_of: ManagerOf) -> None:
    class Careless(Guess):
        """Gives another observation to every step, so that a step made twice would show."""

        def reset(self, task, seed):
            self.steps = 0
            return super().reset(task, seed)

        def step(self, action):
            self.steps += 1
            observation, *rest = super().step(action)
            return (f"{self.steps}: {observation}", *rest)

    from a3t_env.reference_server import Host

    host_info = Host.info
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Host, "info", lambda self: host_info(self) | {"repeats": False})
        app = Spoiled(environment_app(Careless))
        with live_server(app) as url:
            manager = manager_of(f"game={url}")
            session = await manager.create(play())
            app.faults.extend(["ok", "lost"])
            seen = await solve(manager, session.id)
            assert [text.split(":")[0] for text in seen] == [str(n + 1) for n in range(len(seen))]
            assert app.asked.count("POST /episodes") == 2


async def test_a_restart_of_the_remote_is_made_good_by_a_replay(manager_of: ManagerOf) -> None:
    port = free_port()
    with live_server(environment_app(Guess), port) as url:
        manager = manager_of(f"game={url}")
        session = await manager.create(play())
        before = await manager.step(session.id, "guess 1", 0)
    with live_server(environment_app(Guess), port):
        count = _replays()
        assert (await manager.step(session.id, "guess 1", 0)) == before
        await manager.step(session.id, "guess 2", 1)
        assert (await solve_from(manager, session.id, 2))[-1] == "correct"
        assert _replays() == count + 1


async def test_a_replay_that_comes_out_otherwise_is_told(manager_of: ManagerOf) -> None:
    port = free_port()
    with live_server(environment_app(Dice), port) as url:
        manager = manager_of(f"game={url}")
        session = await manager.create(play())
    with live_server(environment_app(Dice), port), pytest.raises(UpstreamError, match="went differently"):
        await manager.step(session.id, "guess 5", 0)


async def test_a_remote_that_stays_away_costs_the_episode_alone(manager_of: ManagerOf) -> None:
    with live_server(environment_app(Guess)) as other:
        with live_server(environment_app(Guess)) as url:
            manager = manager_of(f"game={url},other={other}", env_step_deadline=1.0)
            lost = await manager.create(play())
            kept = await manager.create(play().model_copy(update={"environment": "other"}))
        with pytest.raises((UpstreamError, DeadlineError), match="did not answer"):
            await manager.step(lost.id, "guess 5", 0)
        assert (await solve(manager, kept.id))[-1] == "correct"


@pytest.mark.parametrize("garbage", GARBAGE)
async def test_garbage_costs_one_episode(manager_of: ManagerOf, garbage: str) -> None:
    app = Spoiled(environment_app(Guess))
    with live_server(app) as url:
        manager = manager_of(f"game={url}")
        session, other = await manager.create(play()), await manager.create(play())
        app.faults.append(garbage)
        with pytest.raises(UpstreamError) as raised:
            await manager.step(session.id, "guess 5", 0)
        assert "game" in raised.value.detail
        assert len(raised.value.detail) < 1000
        assert (await solve(manager, other.id))[-1] == "correct"
        assert len(manager) == 1


@pytest.mark.parametrize(
    "beginning", [b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{"]
)
async def test_a_server_that_drips_is_left_at_the_deadline(manager_of: ManagerOf, beginning: bytes) -> None:
    port = free_port()
    with live_server(environment_app(Guess), port) as url:
        manager = manager_of(f"game={url}", env_step_deadline=0.5)
        session = await manager.create(play())
    with dripping_server(beginning, port), pytest.raises(DeadlineError, match="did not answer"):
        await manager.step(session.id, "guess 5", 0)


async def test_closing_and_reaping_close_the_episode_at_the_remote(manager_of: ManagerOf) -> None:
    Closing.open = 0
    with live_server(environment_app(Closing)) as url:
        manager = manager_of(f"game={url}")
        sessions = [await manager.create(play()) for _ in range(3)]
        assert Closing.open == 3
        await manager.close(sessions[0].id)
        await manager.aclose()
        assert Closing.open == 0


def test_a_remote_that_is_away_is_told_and_found_when_it_comes() -> None:
    port = free_port()
    environments = configured(EnvSettings(env_remotes=f"game=http://127.0.0.1:{port}"))
    with pytest.raises(UnavailableError, match="did not answer GET /info"):
        environments.get("game")
    assert [info.engines for info in environments.infos() if info.name == "game"] == [[]]
    assert "Start its server" in environments.missing()["game"]
    with live_server(environment_app(Guess), port):
        assert environments.get("game").info().splits == {"train": 200, "test": 50}
    environments.close()


async def solve_from(manager, session_id: str, index: int) -> list[str]:
    """Play with the expert from a step on; the observations."""
    seen = []
    while not seen or seen[-1] != "correct":
        result = await manager.step(session_id, await manager.expert(session_id), index)
        seen.append(result.observation)
        index += 1
    return seen


def _replays() -> float:
    return REGISTRY.get_sample_value("a3t_env_remote_replays_total", {"environment": "game"}) or 0.0
