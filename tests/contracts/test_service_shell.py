"""The shell around every service: what its hot path must not lose."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, WebSocket
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from a3t_contracts.errors import ConflictError, Problem
from a3t_contracts.schemas.base import Schema
from a3t_contracts.service import create_service
from a3t_contracts.settings import DEVELOPMENT_TOKEN, ServiceSettings
from tests.support.live_server import free_port, live_server

router = APIRouter()


@router.get("/v1/teapot")
async def teapot() -> None:
    raise HTTPException(400, "Too hot", headers={"X-Tea": "green"})


@router.websocket("/v1/echo")
async def echo(socket: WebSocket) -> None:
    await socket.accept()
    await socket.send_text(await socket.receive_text())


class Cup(Schema):
    size: int


@router.post("/v1/cups")
async def pour(cup: Cup) -> int:
    return cup.size


class Inner:
    """Refuses one path and notes the order in which middlewares are entered."""

    def __init__(self, app: ASGIApp, name: str, entered: list[str]) -> None:
        self.app = app
        self.name = name
        self.entered = entered

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.entered.append(self.name)
            if scope["path"] == "/v1/refused":
                raise ConflictError("Not now.", hint="Later.")
        await self.app(scope, receive, send)


@pytest.fixture
def entered() -> list[str]:
    return []


@pytest.fixture
def http(entered: list[str]) -> Iterator[httpx.Client]:
    inner = [Middleware(Inner, name="first", entered=entered), Middleware(Inner, name="second", entered=entered)]
    app = create_service("shell", ServiceSettings(), [router], inner=inner, token_in_url=True)
    with live_server(app) as url, httpx.Client(base_url=url) as client:
        client.headers["Authorization"] = f"Bearer {DEVELOPMENT_TOKEN}"
        yield client


def test_inner_middlewares_see_authorised_requests_in_order(http: httpx.Client, entered: list[str]) -> None:
    assert http.get("/v1/teapot", headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert entered == []
    http.get("/v1/teapot")
    assert entered == ["first", "second"]


def test_the_token_may_be_the_password_of_a_url(http: httpx.Client) -> None:
    del http.headers["Authorization"]
    url = str(http.base_url).replace("://", "://{}@")
    assert httpx.get(f"{url.format(f'anybody:{DEVELOPMENT_TOKEN}')}/v1/teapot").status_code == 400
    for user in ("anybody:wrong", DEVELOPMENT_TOKEN, f":{DEVELOPMENT_TOKEN}:"):
        assert httpx.get(f"{url.format(user)}/v1/teapot").status_code == 401
    for given in ("Basic", "Basic %%%", f"Basic {DEVELOPMENT_TOKEN}", f"basic {DEVELOPMENT_TOKEN}"):
        assert http.get("/v1/teapot", headers={"Authorization": given}).status_code == 401


async def test_a_socket_opens_with_the_token_only(http: httpx.Client) -> None:
    url = f"{str(http.base_url).replace('http', 'ws')}/v1/echo"
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        with pytest.raises(InvalidStatus) as refused:
            await connect(url, additional_headers=headers, proxy=None)
        assert refused.value.response.status_code == 403
    async with connect(url, additional_headers={"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}, proxy=None) as socket:
        await socket.send("hello")
        assert await socket.recv() == "hello"


def test_an_error_of_an_inner_middleware_is_a_problem(http: httpx.Client) -> None:
    reply = http.get("/v1/refused")
    problem = Problem.model_validate_json(reply.content)
    assert (reply.status_code, problem.status, problem.detail, problem.hint) == (409, 409, "Not now.", "Later.")
    assert reply.headers["content-type"] == "application/problem+json"


def test_a_problem_carries_the_status_and_headers_of_the_reply(http: httpx.Client) -> None:
    reply = http.get("/v1/teapot")
    problem = Problem.model_validate_json(reply.content)
    assert (reply.status_code, problem.status, problem.title) == (400, 400, "Bad Request")
    assert problem.detail == "Too hot: GET /v1/teapot"
    assert reply.headers["x-tea"] == "green"


def test_every_reply_has_a_request_id_of_its_own_or_the_clients(http: httpx.Client) -> None:
    ids = {http.get("/health").headers["x-request-id"] for _ in range(3)}
    assert len(ids) == 3
    assert http.get("/health", headers={"X-Request-Id": "mine"}).headers["x-request-id"] == "mine"


@pytest.mark.parametrize(
    "given", [b"a\x9b31mred", b"caf\xe9", b"two words", b"x" * 65, b"", b"a/b", b"line\tbreak", b'"quoted"']
)
def test_a_request_id_that_is_no_short_token_is_replaced(http: httpx.Client, given: bytes) -> None:
    answered = http.get("/health", headers=[(b"X-Request-Id", given)]).headers["x-request-id"]
    assert re.fullmatch("[0-9a-f]{16}", answered)


def test_a_body_that_is_not_sent_as_json_says_so(http: httpx.Client) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}  # what `curl -d` sends by itself
    for headers, named in ((form, "'application/x-www-form-urlencoded'"), ({}, "without a Content-Type header")):
        reply = http.post("/v1/cups", content=b'{"size": 3}', headers=headers)
        problem = Problem.model_validate_json(reply.content)
        assert (reply.status_code, problem.status) == (415, 415)
        assert named in problem.detail
        assert "Content-Type: application/json" in (problem.hint or "")


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "application/vnd.cup+json"])
def test_a_json_body_is_read_and_an_absent_one_is_not_called_a_wrong_type(http: httpx.Client, kind: str) -> None:
    assert http.post("/v1/cups", content=b'{"size": 3}', headers={"Content-Type": kind}).json() == 3
    assert http.post("/v1/cups").status_code == 422
    assert http.post("/v1/cups", content=b"{", headers={"Content-Type": kind}).status_code == 422


def test_requests_are_counted_by_route_and_status(http: httpx.Client) -> None:
    def count() -> float:
        name = 'a3t_http_requests_total{method="GET",route="/v1/teapot",service="shell",status="400"}'
        lines = [line for line in http.get("/metrics").text.splitlines() if line.startswith(name)]
        return float(lines[0].rpartition(" ")[2])

    http.get("/v1/teapot")
    before = count()
    http.get("/v1/teapot")
    http.get("/v1/teapot")
    assert count() == before + 2


SERVING = """
import gc, sys
from fastapi import FastAPI
from a3t_contracts.service import serve
from a3t_contracts.settings import ServiceSettings
app = FastAPI()
app.get("/frozen")(gc.get_freeze_count)
serve(app, ServiceSettings(port=int(sys.argv[1])), "frozen")
"""


def test_what_a_service_loads_is_no_garbage_to_be_looked_through() -> None:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVING, str(port)])
    try:
        retried = Retrying(
            retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(60), wait=wait_fixed(0.1)
        )
        assert retried(httpx.get, f"http://127.0.0.1:{port}/frozen").json() > 10_000
    finally:
        process.terminate()
        process.wait(30)
