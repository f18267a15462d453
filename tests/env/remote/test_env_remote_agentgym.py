"""AgentGym's servers behind the env service; doubles stand for them, see their module."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import SampleRequest
from a3t_env.environments import configured
from a3t_env.sessions import SessionManager
from a3t_env.settings import EnvSettings
from tests.support.agentgym_double import ACTIONS, STYLES, agentgym_double
from tests.support.live_server import free_port, live_server
from tests.support.remote_play import play

ManagerOf = Callable[..., SessionManager]


def remote(url: str, query: str = "?tasks=3&split=train&tasks=2&split=test&max_steps=9") -> str:
    return f"game=agentgym+{url}{query}"


@pytest.mark.parametrize("style", STYLES)
async def test_every_style_of_server_is_played(manager_of: ManagerOf, style: str) -> None:
    app, games = agentgym_double(style)
    with live_server(app) as url:
        manager = manager_of(remote(url))
        info = manager.environments.get("game").info()
        assert (info.splits, info.max_steps, info.engines) == ({"train": 3, "test": 2}, 9, ["agentgym"])
        assert info.lists_actions is (style != "word_ids")
        session = await manager.create(play("train-002", include_actions=info.lists_actions))
        assert session.observation == "Count to 2, then stop."
        assert session.actions == (ACTIONS if info.lists_actions else None)
        if info.lists_actions:
            assert await manager.sample(session.id, SampleRequest(seed=1)) in ACTIONS
        for index, action in enumerate(("count up", "count up", "stop")):
            result = await manager.step(session.id, action, index)
        assert (result.observation, result.done, result.success) == ("You are at 2.", True, True)
        second = await manager.create(play("test-001"))
        assert second.observation == "Count to 1, then stop."
        await manager.close(second.id)
        await manager.aclose()
        assert bool(games.games) is (style != "word_ids"), "closed where the server has the call"


@pytest.mark.parametrize("style", STYLES)
async def test_a_restart_of_the_server_is_made_good(manager_of: ManagerOf, style: str) -> None:
    port = free_port()
    with live_server(agentgym_double(style)[0], port) as url:
        manager = manager_of(remote(url))
        session = await manager.create(play("train-001"))
        await manager.step(session.id, "count up", 0)
    with live_server(agentgym_double(style)[0], port):
        assert (await manager.step(session.id, "stop", 1)).success


async def test_options_and_unknown_tasks_are_refused(manager_of: ManagerOf) -> None:
    with live_server(agentgym_double("word_ids")[0]) as url:
        manager = manager_of(remote(url))
        with pytest.raises(InvalidInputError, match="takes no options"):
            await manager.create(play("train-001", options={"a": "b"}))
        with pytest.raises(NotFoundError, match="has no task"):
            await manager.create(play("train-009"))


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "does not say how many tasks"),
        ("?tasks=3&max_steps=no", "invalid max_steps"),
        ("?tasks=3&colour=red", "invalid colour"),
    ],
)
def test_a_url_that_says_too_little_is_told(query: str, why: str) -> None:
    environments = configured(EnvSettings(env_remotes=f"game=agentgym+http://127.0.0.1:9{query}"))
    assert why in environments.missing()["game"]


@pytest.mark.parametrize(
    ("setting", "why"),
    [
        ("http://127.0.0.1:9", "no valid name"),
        ("game=ftp://127.0.0.1", "not the URL of a server"),
        ("game=http://127.0.0.1:99999", "not the URL of a server"),
        ("game=http://a:1,game=http://b:1", "twice"),
        ("game=agentgym+http://a:1?tasks=0", "invalid splits"),
        ("game=agentgym+http://a:1?tasks=3&tasks=4&split=x", "invalid splits"),
    ],
)
def test_a_bad_setting_is_refused_at_the_start(setting: str, why: str) -> None:
    with pytest.raises(InvalidInputError, match=why):
        configured(EnvSettings(env_remotes=setting))
