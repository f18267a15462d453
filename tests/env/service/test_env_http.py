"""The env service over HTTP, on a real port."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.errors import (
    ConflictError,
    GoneError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    Problem,
    UnauthorizedError,
)
from a3t_contracts.schemas import SampleRequest, SessionStep, StepResult
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from tests.env.service.conftest import walk
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server

ONCE = RetryPolicy(attempts=1)
AUTHORIZED = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    settings = EnvSettings(home=tmp_path_factory.mktemp("home"), env_max_sessions=64, env_max_body_bytes=2**20)
    with live_server(create_app(settings, Environments({"alfworld": CorridorEnvironment}))) as url:
        yield url


@pytest.fixture
async def client(service: str) -> AsyncIterator[EnvClient]:
    async with EnvClient(service, DEVELOPMENT_TOKEN, retry=ONCE) as client:
        yield client


@pytest.fixture
def http(service: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service, headers=AUTHORIZED) as http:
        yield http


async def test_the_client_plays_an_episode(client: EnvClient) -> None:
    opened = await client.create(walk(include_actions=True))
    assert opened.actions == await client.actions(opened.id) == ["go right"]
    step = await client.step(opened.id, await client.expert(opened.id), 0)
    assert (step.index, step.valid, step.actions) == (0, True, ["go left", "go right"])
    drawn = await client.sample(opened.id, SampleRequest(seed=1, avoid="go left"))
    (result,) = (await client.step_many([SessionStep(session_id=opened.id, action=drawn, index=1)])).results
    assert isinstance(result, StepResult)
    won = await client.step(opened.id, "take flag", 2)
    assert (won.reward, won.done, won.success) == (1.0, True, True)
    assert (await client.session(opened.id)).reward == 1.0
    await client.close(opened.id)
    await client.close(opened.id)
    with pytest.raises(GoneError, match="is closed"):
        await client.step(opened.id, "look")


async def test_environments_and_tasks_are_listed_by_filters_and_pages(client: EnvClient) -> None:
    (info,) = await client.environments()
    assert (info.name, info.splits) == ("alfworld", {"train": 2, "valid_seen": 1})
    first = await client.tasks("alfworld", limit=2)
    rest = await client.tasks("alfworld", offset=first.next_offset or 0, limit=2)
    assert [task.id for page in (first, rest) for task in page.tasks] == ["corridor-3", "corridor-4", "corridor-5"]
    assert (first.total, first.next_offset, rest.next_offset) == (3, 2, None)
    assert await client.all_tasks("alfworld", limit=2) == [*first.tasks, *rest.tasks]
    assert [t.id for t in (await client.tasks("alfworld", split="train", type="long")).tasks] == ["corridor-4"]
    assert (await client.tasks("alfworld", offset=10)).tasks == []
    for wrong in ({"split": "tomorrow"}, {"type": "odd"}):
        with pytest.raises(NotFoundError, match="There is no") as caught:
            await client.tasks("alfworld", **wrong)
        assert "Known:" in str(caught.value)
        assert ("Build more corridors." in str(caught.value)) == ("split" in wrong)


async def test_include_actions_in_the_query_adds_them(client: EnvClient) -> None:
    opened = await client.create(walk())
    assert opened.actions is None
    assert (await client.step(opened.id, "go right")).actions is None
    assert (await client.step(opened.id, "go left", include_actions=True)).actions == ["go right"]
    batch = await client.step_many([SessionStep(session_id=opened.id, action="go right")], include_actions=True)
    assert isinstance(batch.results[0], StepResult)
    assert batch.results[0].actions == ["go left", "go right"]


async def test_a_batch_shows_problems_in_place(client: EnvClient) -> None:
    opened = await client.create(walk())
    steps = [
        SessionStep(session_id="0-never", action="look"),
        SessionStep(session_id=opened.id, action="go right", index=7),
        SessionStep(session_id=opened.id, action="go right", index=0),
    ]
    missing, conflict, made = (await client.step_many(steps)).results
    assert isinstance(missing, Problem)
    assert isinstance(conflict, Problem)
    assert isinstance(made, StepResult)
    assert (missing.status, conflict.status) == (404, 409)


async def test_many_clients_at_once_get_their_own_results(client: EnvClient) -> None:
    async def play(rooms: int) -> tuple[int, bool]:
        opened = await client.create(walk(rooms))
        result = None
        for index in range(rooms):
            result = await client.step(opened.id, await client.expert(opened.id), index)
        await client.close(opened.id)
        assert result is not None
        return result.index, result.success

    outcomes = await asyncio.gather(*(play(3 + n % 3) for n in range(48)))
    assert outcomes == [(2 + n % 3, True) for n in range(48)]


async def test_without_the_token_nothing_is_told(service: str) -> None:
    async with EnvClient(service, "wrong", retry=ONCE) as client:
        with pytest.raises(UnauthorizedError, match="bearer token"):
            await client.step("0-x", "look")
        with pytest.raises(UnauthorizedError):
            await client.environments()
        assert (await client.health())["status"] == "ok"


@pytest.mark.parametrize(
    "action", ["", " ", "x" * 4096, "go\x00to\x1b[31m fridge\r\n1", "\u202e\U0001f600", "think: hm", "{}"]
)
async def test_odd_actions_are_invalid_steps_and_no_errors(client: EnvClient, action: str) -> None:
    opened = await client.create(walk())
    result = await client.step(opened.id, action, 0)
    assert (result.valid, result.done, result.observation) == (False, False, "Nothing happens.")
    await client.close(opened.id)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (b'{"action": "' + b"x" * 4097 + b'"}', 422, "at most 4096"),
        (b'{"action": 5}', 422, "valid string"),
        (b'{"action": null}', 422, "valid string"),
        (b'{"action": "\\ud800"}', 422, "hex escape"),
        (b'{"actoin": "look"}', 422, "Field required"),
        (b'{"action": "look", "index": -1}', 422, "greater than or equal to 0"),
        (b'{"action": "look", "index": "first"}', 422, "valid integer"),
        (b'{"action": "look", "speed": 2}', 422, "Extra inputs"),
        (b'["look"]', 422, "body"),
        (b'"look"', 422, "body"),
        (b"", 422, "Field required"),
        (b"{", 422, "JSON"),
        (b"\xff\xff", 422, "Invalid JSON"),
        (b"[" * 50_000, 422, "recursion limit"),
        (b"[" * 100_000, 422, "recursion limit"),
        (b'{"action": "look", "index": ' + b"9" * 5000 + b"}", 422, "JSON"),
        (b'{"action": "' + b"x" * 2**20 + b'"}', 413, "over the limit"),
    ],
)
async def test_malformed_bodies_get_one_clear_problem(
    client: EnvClient, http: httpx.Client, body: bytes, status: int, says: str
) -> None:
    opened = await client.create(walk())
    reply = http.post(f"/v1/sessions/{opened.id}/step", content=body, headers={"Content-Type": "application/json"})
    problem = Problem.model_validate_json(reply.content)
    assert (reply.status_code, problem.status) == (status, status)
    assert reply.headers["content-type"] == "application/problem+json"
    assert says in problem.detail
    assert (await client.session(opened.id)).steps == 0
    await client.close(opened.id)


@pytest.mark.parametrize("query", ["", "?include_actions=true", "?include_actions=false"])
async def test_the_short_way_answers_as_the_declared_route(client: EnvClient, http: httpx.Client, query: str) -> None:
    """A content type with a parameter takes the route that FastAPI serves; the other the short way."""
    replies = []
    for content_type in ("application/json", "application/json; charset=utf-8"):
        opened = await client.create(walk())
        bodies = []
        for path, body in [
            (f"/v1/sessions/{opened.id}/step", '{"action": "go right"}'),
            ("/v1/steps", f'{{"steps": [{{"session_id": "{opened.id}", "action": "go left", "index": 1}}]}}'),
            (f"/v1/sessions/{opened.id}/step", '{"action": "go left", "index": 9}'),
            (f"/v1/sessions/{opened.id}x/step", '{"action": "go left"}'),
        ]:
            reply = http.post(path + query, content=body, headers={"Content-Type": content_type})
            bodies.append((reply.status_code, reply.headers["content-type"], reply.text.replace(opened.id, "ID")))
        await client.close(opened.id)
        replies.append(bodies)
    assert replies[0] == replies[1]
    assert [status for status, _, _ in replies[0]] == [200, 200, 409, 404]


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"task_id": "nowhere"}, NotFoundError, "no task 'nowhere'"),
        ({"environment": "webshop"}, NotFoundError, "no environment 'webshop'"),
        ({"engine": "quantum"}, InvalidInputError, "no engine 'quantum'"),
        ({"options": {"mode": "loud"}}, InvalidInputError, "Unknown options: mode"),
    ],
)
async def test_sessions_that_cannot_be(
    client: EnvClient, fields: dict[str, object], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        await client.create(walk(**fields))


async def test_the_cap_answers_429_with_retry_after(tmp_path: Path) -> None:
    settings = EnvSettings(home=tmp_path, env_max_sessions=1)
    with live_server(create_app(settings, Environments({"alfworld": CorridorEnvironment}))) as url:
        async with EnvClient(url, DEVELOPMENT_TOKEN, retry=ONCE) as client:
            await client.create(walk())
            with pytest.raises(OverloadedError, match="All 1 sessions are in use"):
                await client.create(walk())
        body = walk().model_dump_json()
        reply = httpx.post(
            f"{url}/v1/sessions", content=body, headers=AUTHORIZED | {"Content-Type": "application/json"}
        )
    assert reply.status_code == 429
    assert int(reply.headers["retry-after"]) >= 1


async def test_metrics_count_sessions_and_steps(client: EnvClient, http: httpx.Client) -> None:
    opened = await client.create(walk())
    before = _metrics(http)
    await client.step(opened.id, "go right")
    await client.close(opened.id)
    after = _metrics(http)
    steps = 'a3t_env_steps_total{engine="native",environment="alfworld"}'
    assert after[steps] == before[steps] + 1
    assert after["a3t_env_sessions"] == before["a3t_env_sessions"] - 1
    assert after['a3t_env_sessions_closed_total{why="closed"}'] >= 1
    routed = 'a3t_http_requests_total{method="POST",route="/v1/sessions/{session_id}/step",service="env",status="200"}'
    assert after[routed] >= 1


async def test_a_conflict_is_told_with_the_next_index(client: EnvClient) -> None:
    opened = await client.create(walk())
    await client.step(opened.id, "go right", 0)
    with pytest.raises(ConflictError) as caught:
        await client.step(opened.id, "go left", 0)
    assert caught.value.extra["next_index"] == 1


def test_readiness_says_what_is_missing(tmp_path: Path) -> None:
    with live_server(create_app(EnvSettings(home=tmp_path))) as url:
        ready = httpx.get(f"{url}/ready", timeout=60)
        listed = httpx.get(f"{url}/v1/environments", headers=AUTHORIZED, timeout=60).json()
        opened = httpx.post(
            f"{url}/v1/sessions", json={"environment": "alfworld", "task_id": "x"}, headers=AUTHORIZED, timeout=60
        )
    assert ready.status_code == 200, "an environment without data is there"
    missing = ready.json()["missing"]
    assert {"alfworld", "webshop"} <= missing.keys()
    assert all("a3t data" in problem for problem in missing.values())
    assert {"alfworld", "webshop"} <= {e["name"] for e in listed}
    assert [(e["engines"], e["splits"]) for e in listed if e["name"] in missing] == [([], {})] * len(missing)
    assert opened.status_code == 404
    assert "a3t data" in opened.json()["hint"]


def test_readiness_waits_for_the_environments_that_are_required(tmp_path: Path) -> None:
    states = {}
    for required in ("calculator", "calculator, alfworld", "calculato"):
        with live_server(create_app(EnvSettings(home=tmp_path, env_required=required))) as url:
            states[required] = httpx.get(f"{url}/ready", timeout=60)
    assert [reply.status_code for reply in states.values()] == [200, 503, 503]
    told = states["calculator, alfworld"].json()
    assert told["detail"] == "A3T_ENV_REQUIRED names alfworld, which cannot be used now."
    assert "a3t data" in told["hint"]
    assert states["calculato"].json()["hint"] == "There is no environment 'calculato'."


def test_the_api_description_has_examples_and_errors(http: httpx.Client) -> None:
    described = http.get("/openapi.json").json()
    step = described["paths"]["/v1/sessions/{session_id}/step"]["post"]
    assert set(step["responses"]) >= {"200", "401", "404", "409", "410", "422", "504"}
    assert step["requestBody"]["content"]["application/json"]["examples"]
    assert described["paths"]["/v1/sessions"]["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert set(described["paths"]["/v1/sessions/{session_id}"]) == {"get", "delete"}


def _metrics(http: httpx.Client) -> dict[str, float]:
    lines = [line for line in http.get("/metrics").text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}
