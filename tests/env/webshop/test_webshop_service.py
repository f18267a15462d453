"""WebShop through the env service: real HTTP semantics on the real environment."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app
from a3t_env.settings import EnvSettings


@pytest.fixture
async def client(data_folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(EnvSettings(home=data_folder.parent, log_level="WARNING"), None)
    headers = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
    transport = httpx.ASGITransport(app=app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://env", headers=headers) as client,
    ):
        yield client


async def open_session(client: httpx.AsyncClient, **fields: object) -> dict[str, object]:
    made = await client.post("/v1/sessions", json={"environment": "webshop", "task_id": "goal-00003", **fields})
    assert made.status_code == 201, made.text
    return dict(made.json())


async def test_an_episode_over_http(client: httpx.AsyncClient) -> None:
    session = await open_session(client, options={"mode": "text_rich"}, include_actions=True)
    assert "[button] Search [button_]" in str(session["observation"])
    path = f"/v1/sessions/{session['id']}"
    result = {"done": False}
    for _ in range(15):
        action = (await client.get(f"{path}/expert")).json()["action"]
        result = (await client.post(f"{path}/step", json={"action": action})).json()
        assert result["valid"]
        if result["done"]:
            break
    assert result["done"]
    assert result["info"]["r_type"] == 1.0
    assert result["reward"] == pytest.approx(result["info"]["base"])
    assert (await client.post(f"{path}/step", json={"action": "search[x]"})).status_code == 409
    assert (await client.delete(path)).status_code == 204


async def test_odd_input_over_http(client: httpx.AsyncClient) -> None:
    session = await open_session(client)
    path = f"/v1/sessions/{session['id']}/step"
    for action in ("'; DROP TABLE goals; --", "click[../../etc/passwd]", "search[<a> x]", "search[]"):
        reply = (await client.post(path, json={"action": action})).json()
        assert (reply["valid"], reply["reward"], reply["done"]) == (False, 0.0, False)
    assert (await client.post(path, json={"action": f"search[{'x ' * 50_000}]"})).status_code == 422
    assert (await client.post(path, json={"action": "search[{{7*7}} $(id) \u0000 🙂]"})).json()["valid"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"task_id": "goal-99999"}, 404),
        ({"task_id": "../secret"}, 404),
        ({"options": {"mode": "html"}}, 422),
        ({"options": {"colour": "x"}}, 422),
        ({"engine": "java"}, 422),
    ],
)
async def test_bad_requests_are_problems(client: httpx.AsyncClient, fields: dict[str, object], status: int) -> None:
    reply = await client.post("/v1/sessions", json={"environment": "webshop", "task_id": "goal-00003", **fields})
    assert reply.status_code == status
    assert reply.json()["detail"]


async def test_tasks_are_paged(client: httpx.AsyncClient) -> None:
    page = (await client.get("/v1/tasks", params={"environment": "webshop", "split": "test", "limit": 3})).json()
    assert [task["id"] for task in page["tasks"]] == ["goal-00000", "goal-00001", "goal-00002"]
    assert (page["total"], page["next_offset"]) == (500, 3)
