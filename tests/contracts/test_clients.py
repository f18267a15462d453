"""The clients against a real server that fails on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from a3t_contracts.clients import EnvClient, PolicyClient, RetryPolicy
from a3t_contracts.errors import (
    ConflictError,
    DeadlineError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
)
from a3t_contracts.schemas import SessionCreate
from a3t_contracts.service import BodyLimits, create_service
from a3t_contracts.settings import DEVELOPMENT_TOKEN, ServiceSettings
from tests.support.live_server import free_port, live_server

RETRY = RetryPolicy(attempts=3, initial=0.01, maximum=0.02, jitter=0.01)
calls: list[str] = []
router = APIRouter()


@router.get("/v1/sessions/{name}/actions")
async def flaky_actions(name: str) -> Response:
    calls.append(name)
    if len(calls) < 3:
        raise OverloadedError("full", retry_after=1)
    return JSONResponse({"actions": [name]})


@router.post("/v1/sessions/{name}/step")
async def step(name: str) -> Response:
    calls.append(name)
    raise ConflictError("another step is running.") if name == "busy" else UnavailableError("starting")


@router.get("/v1/environments")
async def slow() -> Response:
    await asyncio.sleep(30)
    return JSONResponse([])


@router.post("/v1/sessions")
async def create(request: Request) -> Response:
    await request.json()
    raise NotFoundError("There is no task 'x'.", hint="List them.")


@router.get("/v1/models")
async def crash() -> Response:
    raise ZeroDivisionError("secret detail")


@router.get("/v1/live")
async def only_read() -> dict[str, str]:
    return {}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with live_server(create_service("test", ServiceSettings(), [router], bodies=BodyLimits(2000))) as url:
        yield url


@pytest.fixture(autouse=True)
def _forget_calls() -> None:
    calls.clear()


def env(url: str, token: str = DEVELOPMENT_TOKEN, timeout: float = 5.0) -> EnvClient:
    return EnvClient(url, token, retry=RETRY, timeout=timeout)


async def test_an_idempotent_call_is_tried_again(server: str) -> None:
    async with env(server) as client:
        assert await client.actions("s") == ["s"]
    assert len(calls) == 3


async def test_an_overloaded_service_is_left_alone_as_long_as_it_asks(server: str) -> None:
    began = time.monotonic()
    async with env(server) as client:
        assert await client.actions("s") == ["s"]
    assert time.monotonic() - began >= 2.0  # two refusals that ask for a second each; the policy alone would not wait


async def test_a_step_without_an_index_is_sent_once(server: str) -> None:
    async with env(server) as client:
        with pytest.raises(UnavailableError):
            await client.step("s", "look")
    assert len(calls) == 1


async def test_a_step_with_an_index_is_repeated(server: str) -> None:
    async with env(server) as client:
        with pytest.raises(UnavailableError):
            await client.step("s", "look", index=0)
    assert len(calls) == RETRY.attempts


async def test_errors_that_stay_are_not_tried_again(server: str) -> None:
    async with env(server) as client:
        with pytest.raises(ConflictError, match="another step"):
            await client.step("busy", "look", index=0)
    assert len(calls) == 1


async def test_typed_errors_carry_detail_and_hint(server: str) -> None:
    async with env(server) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.create(SessionCreate(environment="alfworld", task_id="x"))
    assert (caught.value.detail, caught.value.hint) == ("There is no task 'x'.", "List them.")


async def test_a_hanging_service_costs_a_bounded_time(server: str) -> None:
    async with env(server, timeout=0.1) as client:
        with pytest.raises(DeadlineError, match="GET /v1/environments"):
            await client.environments()


async def test_an_absent_service_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    async with env(url) as client:
        with pytest.raises(UnavailableError, match=f"env service at {url}"):
            await client.actions("s")


async def test_a_wrong_token_is_refused_and_probes_are_open(server: str) -> None:
    async with env(server, token="wrong") as client:
        with pytest.raises(UnauthorizedError):
            await client.actions("s")
        assert (await client.health())["service"] == "test"


async def test_large_bodies_are_refused(server: str) -> None:
    async with env(server) as client:
        with pytest.raises(TooLargeError):
            await client.create(SessionCreate(environment="alfworld", task_id="x" * 3000))


async def test_a_crash_shows_no_secrets(server: str) -> None:
    async with PolicyClient(server, DEVELOPMENT_TOKEN) as client:
        with pytest.raises(Exception, match="unexpected error") as caught:
            await client.models()
    assert "secret detail" not in str(caught.value)


async def test_unknown_paths_are_problem_documents(server: str) -> None:
    async with PolicyClient(server, DEVELOPMENT_TOKEN) as client:
        with pytest.raises(NotFoundError, match="/v1/unload_lora_adapter"):
            await client.unload("v1")
        with pytest.raises(InvalidInputError, match="Method Not Allowed"):
            await client.follow()
