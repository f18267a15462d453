"""Every route of every service, asked without a token, with a wrong one, and with a token of each role."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute
from pydantic import SecretStr, ValidationError
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from a3t_contracts.access import Role
from a3t_contracts.errors import Problem
from a3t_contracts.service.middleware import Shell
from a3t_contracts.settings import ServiceSettings
from tests.support.apps import APPS, app_of, routes_of

ADMIN, SECOND = "the-admin-token-of-today", "the-admin-token-of-tomorrow"
RUN, READ = ["a-token-that-runs-1", "a-token-that-runs-2"], ["a-token-that-reads-1"]
TOKENS = {
    "token": SecretStr(ADMIN),
    "token_second": SecretStr(SECOND),
    "run_tokens": SecretStr(", ".join(RUN)),
    "read_tokens": SecretStr(",".join(READ)),
}
ROLE_OF = {ADMIN: Role.admin, SECOND: Role.admin, RUN[0]: Role.run, RUN[1]: Role.run, READ[0]: Role.read}
OPEN = {"/health", "/ready", "/metrics", "/docs", "/openapi.json"}
OTHER_THAN_BY_METHOD = {
    ("orchestrator", "POST", "/login"): Role.read,
    ("orchestrator", "POST", "/logout"): Role.read,
    ("orchestrator", "POST", "/adapters/{version}/promote"): Role.admin,
    ("orchestrator", "POST", "/adapters/rollback"): Role.admin,
    ("orchestrator", "POST", "/failures/{failure}/drop"): Role.admin,
    ("orchestrator", "POST", "/delete/runs/{run}"): Role.admin,
    ("env", "DELETE", "/v1/sessions/{session_id}"): Role.run,
    ("policy", "DELETE", "/v1/episodes/{episode_id}"): Role.run,
    ("policy", "POST", "/v1/detokenize"): Role.read,
    ("policy", "POST", "/v1/load_lora_adapter"): Role.admin,
    ("policy", "POST", "/v1/unload_lora_adapter"): Role.admin,
    ("trainer", "POST", "/v1/adapters/{version}/promote"): Role.admin,
    ("trainer", "POST", "/v1/adapters/{version}/push"): Role.admin,
    ("trainer", "POST", "/v1/registry/rollback"): Role.admin,
    ("trainer", "POST", "/v1/registry/gc"): Role.admin,
}
BY_METHOD = {"GET": Role.read, "HEAD": Role.read, "DELETE": Role.admin, "POST": Role.run, "PUT": Role.run}


def role_of(service: str, method: str, path: str) -> Role:
    return OTHER_THAN_BY_METHOD.get((service, method, path), BY_METHOD[method])


def requests_of(app: FastAPI) -> list[tuple[str, str]]:
    """Method and path of every route that is not open."""
    routes = [route for route in routes_of(app) if isinstance(route, APIRoute) and route.path not in OPEN]
    return sorted((method, route.path) for route in routes for method in route.methods)


@pytest.fixture
def app(request: pytest.FixtureRequest, tmp_path: Path) -> FastAPI:
    return app_of(request.param, tmp_path, mode="production", **TOKENS)


def refused(service: str, path: str, authorization: str | None) -> int:
    """The status of a reply to somebody without a good token; browsers are sent to the login, which is for all."""
    if service != "orchestrator" or path.startswith("/v1/") or (authorization or "").startswith("Bearer "):
        return 401
    return 299 if path == "/login" or path.startswith("/static/") else 303


async def let_in(_: Scope, receive: Receive, send: Send) -> None:
    """Stands behind the shell in place of the app, which does not run here."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def behind_the_shell(app: FastAPI) -> ASGIApp:
    """The app with its real door, and nothing but `let_in` behind it."""
    outer: Any = app.build_middleware_stack()
    inner = outer
    while not isinstance(inner, Shell):
        inner = inner.app
    inner.app = let_in
    return cast(ASGIApp, outer)


@pytest.mark.parametrize(("service", "app"), [(name, name) for name in APPS], indirect=["app"])
async def test_a_route_answers_only_to_tokens_of_its_role(service: str, app: FastAPI) -> None:
    found = requests_of(app)
    assert found
    transport = httpx.ASGITransport(behind_the_shell(app))
    async with httpx.AsyncClient(transport=transport, base_url="http://service") as http:

        async def status(method: str, path: str, authorization: str | None) -> int:
            url = re.sub(r"\{[^}]*\}", "x", path)
            headers = {} if authorization is None else {"Authorization": authorization}
            reply = await http.request(method, url, headers=headers)
            if reply.status_code == 403:
                assert Problem.model_validate_json(reply.content).type == "urn:a3t:problem:forbidden"
            return reply.status_code

        for method, path in found:
            for wrong in (None, "", "Bearer", "Bearer wrong", f"Bearer {ADMIN[:-1]}", f"Bearer {ADMIN} ", ADMIN):
                assert await status(method, path, wrong) == refused(service, path, wrong), (method, path, wrong)
            needed = role_of(service, method, path)
            for token, role in ROLE_OF.items():
                expected = 299 if role >= needed else 403
                assert await status(method, path, f"Bearer {token}") == expected, (method, path, role)


@pytest.mark.parametrize(("service", "app"), [(name, name) for name in APPS], indirect=["app"])
def test_the_description_of_every_route_names_its_role(service: str, app: FastAPI) -> None:
    described = {
        (service, method.upper(), path): Role[operation["x-a3t-role"]]
        for path, operations in app.openapi()["paths"].items()
        for method, operation in operations.items()
        if path not in OPEN
    }
    assert described
    assert described == {key: role_of(*key) for key in described}
    assert {key for key in OTHER_THAN_BY_METHOD if key[0] == service and key[2].startswith("/v1/")} <= described.keys()


@pytest.mark.parametrize("app", ["env"], indirect=True)
def test_a_socket_needs_the_role_run(app: FastAPI) -> None:
    sockets = [route.path for route in routes_of(app) if isinstance(route, APIWebSocketRoute)]
    assert sockets
    client = TestClient(app)
    for path in sockets:
        url = re.sub(r"\{[^}]*\}", "x", path)
        for token in (None, "wrong", READ[0]):
            headers = {} if token is None else {"Authorization": f"Bearer {token}"}
            with pytest.raises(WebSocketDisconnect), client.websocket_connect(url, headers=headers):
                pass


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"token_second": "short"}, "must hold secrets of 16 or more"),
        ({"run_tokens": f"{RUN[0]},a3t-development"}, "must hold secrets of 16 or more"),
        ({"read_tokens": RUN[0], "run_tokens": RUN[0]}, "are the same"),
        ({"token_second": ADMIN}, "are the same"),
        ({"run_tokens": "sixteen or more characters"}, "printable ASCII"),
        ({"read_tokens": "sechzehn-Zeichen-für-alle"}, "printable ASCII"),
        ({"token": "a3t-development", "mode": "development", "host": "0.0.0.0"}, "this machine alone"),
        ({"token": "a3t-development", "mode": "development", "host": "a3t.example.org"}, "this machine alone"),
    ],
)
def test_weak_or_doubled_tokens_are_refused(wrong: dict[str, str], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        ServiceSettings(**({"mode": "production", "token": ADMIN} | wrong))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
def test_the_default_token_is_good_on_this_machine(host: str) -> None:
    assert ServiceSettings(host=host).tokens.role_of("a3t-development") is Role.admin
