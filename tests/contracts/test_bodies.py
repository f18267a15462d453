"""The door of every service: bodies over the limit are refused however they come, long ones hold up nobody."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi import APIRouter, Request

from a3t_contracts.errors import Problem
from a3t_contracts.schemas.base import Schema
from a3t_contracts.service import INLINE_BYTES, BodyLimits, JsonRoute, create_service
from a3t_contracts.settings import DEVELOPMENT_TOKEN, ServiceSettings
from tests.support.live_server import live_server
from tests.support.under_load import health_under, pieces

LIMIT = 2 * 2**20


class Numbers(Schema):
    numbers: list[int]
    text: str = ""


router = APIRouter(route_class=JsonRoute)


@router.post("/v1/sum")
async def total(body: Numbers) -> int:
    return sum(body.numbers)


@router.post("/v1/upload")
async def upload(request: Request) -> int:
    return sum([len(chunk) async for chunk in request.stream()])


@pytest.fixture
def url() -> Iterator[str]:
    app = create_service("door", ServiceSettings(), [router], bodies=BodyLimits(LIMIT, {"/v1/upload": 4 * LIMIT}))
    with live_server(app) as url:
        yield url


@pytest.fixture
def http(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}, timeout=60) as client:
        yield client


def test_a_body_over_the_limit_is_413_with_and_without_its_length(http: httpx.Client) -> None:
    for content in (b"x" * (20 * 2**20), pieces(20)):
        reply = http.post("/v1/sum", content=content, headers={"Content-Type": "application/json"})
        problem = Problem.model_validate_json(reply.content)
        assert (reply.status_code, problem.status, str(LIMIT) in problem.detail) == (413, 413, True)
        assert reply.headers["content-type"] == "application/problem+json"


def test_a_path_may_have_a_limit_of_its_own(http: httpx.Client) -> None:
    assert http.post("/v1/upload", content=pieces(7)).json() == 7 * 4 * (2**18 // 7) * 7
    assert http.post("/v1/upload", content=pieces(9)).status_code == 413


@pytest.mark.parametrize("padding", [0, 2 * INLINE_BYTES])
def test_long_and_short_bodies_mean_the_same(http: httpx.Client, padding: int) -> None:
    text = "x" * padding
    assert http.post("/v1/sum", json={"numbers": [1, 2, "3"], "text": text}).json() == 6
    wrong = http.post("/v1/sum", json={"numbers": [1, "two", None], "text": text})
    assert wrong.status_code == 422
    assert wrong.json()["detail"].startswith("body.numbers.1:")
    assert [e["where"] for e in wrong.json()["errors"]] == ["body.numbers.1", "body.numbers.2"]
    broken = http.post(
        "/v1/sum", content=f'{{"text": "{text}", "numbers": [', headers={"Content-Type": "application/json"}
    )
    assert broken.status_code == 422
    assert http.post("/v1/sum", content=f'"{text}"', headers={"Content-Type": "text/plain"}).status_code == 415


def test_more_errors_than_anybody_reads_are_counted(http: httpx.Client) -> None:
    reply = http.post("/v1/sum", json={"numbers": ["x"] * 50_000})
    assert (reply.status_code, "50000" in reply.json()["detail"]) == (422, True)


def test_methods_that_clients_make_up_are_counted_as_one(http: httpx.Client) -> None:
    for method in ("TRACE", "PROPFIND", "SEARCH"):
        http.request(method, "/v1/sum")
    metrics = http.get("/metrics").text
    assert 'method="other"' in metrics
    assert "PROPFIND" not in metrics


def test_others_are_answered_while_long_bodies_are_read(url: str) -> None:
    heavy = [
        lambda http: http.post("/v1/sum", json={"numbers": [n % 7 for n in range(600_000)]}),
        lambda http: http.post("/v1/sum", json={f"k{n}": n for n in range(100_000)}),
        lambda http: http.post("/v1/sum", content=pieces(40), headers={"Content-Type": "application/json"}),
    ]
    load = health_under(url, DEVELOPMENT_TOKEN, heavy * 4)
    assert {200, 413, 422} == set(load.statuses)
    assert load.health >= len(heavy * 4)


@pytest.mark.parametrize("opening", [b'{"a":', b"["])
@pytest.mark.parametrize("depth", [300, 20_000, 400_000])
def test_a_body_that_is_nested_too_deep_is_422(http: httpx.Client, opening: bytes, depth: int) -> None:
    body = b'{"numbers": ' + opening * depth
    reply = http.post("/v1/sum", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, "recursion limit" in reply.json()["detail"]) == (422, True)
