"""Environments behind HTTP that want a bearer token: it is sent, and shown nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from a3t_contracts.errors import InvalidInputError
from a3t_env.authoring.check import serving
from a3t_env.reference_server import environment_app
from a3t_env.remote.address import addresses
from a3t_env.sessions import SessionManager
from a3t_env.settings import EnvSettings
from tests.support.agentgym_double import agentgym_double
from tests.support.examples import load_example
from tests.support.live_server import live_server
from tests.support.openenv_echo import server as openenv_server
from tests.support.remote_play import play

ManagerOf = Callable[..., SessionManager]
TOKEN, WRONG = "s3cret-Token.1==", "other-Token"


def guarded(app: ASGIApp) -> ASGIApp:
    """The app behind a bearer token, sockets included."""

    async def guard(scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))
        if scope["type"] == "lifespan" or headers.get(b"authorization") == f"Bearer {TOKEN}".encode():
            await app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
        else:
            await JSONResponse({"detail": "no token"}, 401)(scope, receive, send)

    return guard


APPS: dict[str, Callable[[], Any]] = {
    "http": lambda: environment_app(load_example("environments/guess.py").Guess),
    "agentgym+http": lambda: agentgym_double("games")[0],
    "openenv+ws": openenv_server,
}


def remote(scheme: str, url: str) -> str:
    if scheme == "http":
        return f"game={url}"
    return f"game={scheme}{url.removeprefix('http')}?tasks=5"


@pytest.mark.parametrize("scheme", APPS)
async def test_every_protocol_sends_the_token_and_no_log_shows_it(
    scheme: str, manager_of: ManagerOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with live_server(guarded(APPS[scheme]())) as url:
        manager = manager_of(remote(scheme, url), env_remote_tokens=f"other=x, game={TOKEN}")
        assert manager.environments.get("game").info().splits["train"] >= 5
        session = await manager.create(play("train-001", environment="game"))
        assert session.observation
        await manager.close(session.id)
    own = [record.getMessage() for record in caplog.records if not record.name.startswith("uvicorn")]
    assert TOKEN not in " ".join(own)


@pytest.mark.parametrize("scheme", APPS)
async def test_without_it_the_problem_says_so_and_shows_no_token(
    scheme: str, manager_of: ManagerOf, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with live_server(guarded(APPS[scheme]())) as url:
        manager = manager_of(remote(scheme, url), env_remote_tokens=f"game={WRONG}")
        (info,) = [info for info in manager.environments.infos() if info.name == "game"]
    assert "401" in info.problem
    assert "A3T_ENV_REMOTE_TOKENS=game=TOKEN" in info.problem
    assert WRONG not in info.problem + caplog.text


async def test_a_check_of_a_url_sends_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("A3T_ENV_REMOTE_TOKENS", f"remote={TOKEN}")
    with live_server(guarded(APPS["http"]())) as url:
        async with serving(url) as (_, info):
            assert info.splits["train"] == 200


def test_nothing_that_shows_settings_shows_tokens() -> None:
    settings = EnvSettings.model_validate({"env_remote_tokens": f"game={TOKEN}"})
    (address,) = addresses("game=http://127.0.0.1:1", settings.env_remote_tokens)
    assert address.headers == {"Authorization": f"Bearer {TOKEN}"}
    assert TOKEN not in f"{settings!r} {settings.model_dump_json()} {address!r}"


@pytest.mark.parametrize("text", ["game", "game=two words", "game=a,game=b", "=abc", "game="])
def test_a_wrong_setting_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(InvalidInputError, match="of A3T_ENV_REMOTE_TOKENS does not have the form") as refused:
        addresses("", SecretStr(text))
    assert "two words" not in str(refused.value)


@pytest.mark.parametrize("user", ["me:s3cret@", "s3cret@"])
def test_secrets_in_urls_are_refused_and_not_quoted(user: str) -> None:
    with pytest.raises(InvalidInputError, match="user name or password in the URL of game") as refused:
        addresses(f"game=http://{user}127.0.0.1:1")
    assert "s3cret" not in str(refused.value)
