"""Runs over HTTP: begun, paused, resumed, cancelled, deleted, followed; and episodes that were given up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from a3t_orchestrator.app import create_app
from a3t_orchestrator.phases import Phase
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import (
    Driver,
    PhaseKey,
    Plan,
    Store,
    WorkItem,
    add_event,
    claim,
    create_run,
    drop_lease,
    plan_work,
    return_failed,
    take_lease,
    touch_run,
)

AUTH = {"Authorization": "Bearer a3t-development"}
KEY = PhaseKey("r-1", 1, Phase.rollout)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A run that is under way, with two planned episodes."""
    store = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    store.upgrade()
    with store.session() as session:
        create_run(session, "r-1", parse_recipe({"name": "r", "environment": "alfworld"}), "", {})
        touch_run(session, "r-1", status="running", round=1, phase="rollout")
        add_event(session, "r-1", 0, "started", "2 training tasks")
        plan_work(session, KEY, [Plan(f"t{i}", "pick", "train", "policy", 0, None) for i in range(2)])
    yield store
    store.close()


@pytest.fixture
def client(store: Store, tmp_path: Path) -> Iterator[TestClient]:
    settings = OrchestratorSettings.model_validate({"home": tmp_path, "database_url": store.url, "redis_url": None})
    with TestClient(create_app(settings), headers=AUTH) as opened:
        yield opened


def lose(store: Store, number: int) -> str:
    """Let an episode fail as often as it may; its id."""
    with store.session() as session:
        item = session.query(WorkItem).filter_by(task_id=f"t{number}").one()
        [taken] = claim(session, [item.id], "w", 30, 1)
        return_failed(session, taken.id, "the game is broken", 1)
        return taken.id


def status_of(reply: Any) -> tuple[int, str, str]:
    return reply.status_code, reply.json()["status"], reply.json()["wanted"]


def test_what_is_wanted_of_a_run(client: TestClient, store: Store) -> None:
    assert status_of(client.post("/v1/runs/r-1/pause")) == (200, "running", "paused")
    assert status_of(client.post("/v1/runs/r-1/resume")) == (200, "queued", "running")
    with store.session() as session:
        touch_run(session, "r-1", status="failed", error="no trainer")
    assert client.post("/v1/runs/r-1/pause").status_code == 409
    resumed = client.post("/v1/runs/r-1/resume")
    assert (status_of(resumed), resumed.json()["error"]) == ((200, "queued", "running"), None)
    assert status_of(client.post("/v1/runs/r-1/cancel")) == (200, "queued", "cancelled")
    with store.session() as session:
        touch_run(session, "r-1", status="finished")
    assert client.post("/v1/runs/r-1/cancel").status_code == 409
    assert client.post("/v1/runs/r-1/resume").status_code == 409
    more = client.post("/v1/runs/r-1/resume", json={"rounds": 9})
    assert (more.json()["status"], more.json()["rounds"]) == ("queued", 9)
    assert client.post("/v1/runs/none/pause").status_code == 404


def test_a_run_is_deleted_when_nothing_drives_or_plays_it(client: TestClient, store: Store) -> None:
    lose(store, 0)
    assert client.delete("/v1/runs/r-1").status_code == 409
    driver = Driver()
    with store.session() as session:
        touch_run(session, "r-1", status="cancelled")
        assert take_lease(session, "r-1", driver, 60) is None
    assert client.get("/v1/runs/r-1").json()["driver"].startswith("process ")
    assert client.delete("/v1/runs/r-1").status_code == 409
    with store.session() as session:
        drop_lease(session, "r-1", driver)
    removed = client.delete("/v1/runs/r-1").json()
    assert (removed["work_items"], removed["adapters"]) == (2, [])
    assert client.get("/v1/runs").json() == []
    assert client.get("/v1/failures").json()["total"] == 0


def test_failures_are_listed_retried_and_dropped(client: TestClient, store: Store) -> None:
    first, second = lose(store, 0), lose(store, 1)
    page = client.get("/v1/failures", params={"run": "r-1", "limit": 1}).json()
    assert (page["total"], page["next_offset"]) == (2, 1)
    shown = {f["id"]: f for f in client.get("/v1/failures").json()["failures"]}
    assert set(shown) == {first, second}
    told = shown[first]
    assert (told["reason"], told["attempts"], told["phase"]) == ("the game is broken", 1, "rollout")
    assert client.post(f"/v1/failures/{first}/retry").status_code == 200
    assert client.post(f"/v1/failures/{first}/retry").status_code == 404
    assert client.delete(f"/v1/failures/{second}").status_code == 200
    assert client.get("/v1/failures").json()["total"] == 0
    progress = client.get("/v1/runs/r-1/progress").json()
    assert (progress["total"], progress["done"], progress["label"]) == (1, 0, "own trial on the training tasks")
    third = lose(store, 0)
    with store.session() as session:
        touch_run(session, "r-1", phase="compose")
    assert client.post(f"/v1/failures/{third}/retry").status_code == 409
    assert client.get("/v1/failures", params={"run": "none"}).status_code == 404


def test_events_are_followed_from_where_a_client_stopped(client: TestClient, store: Store) -> None:
    with store.session() as session:
        add_event(session, "r-1", 1, "finished", "The run finished")
        touch_run(session, "r-1", status="finished")
    whole = client.get("/v1/runs/r-1/events", params={"stream": True})
    assert whole.headers["content-type"].startswith("text/event-stream")
    blocks = [block.splitlines() for block in whole.text.strip().split("\n\n")]
    ids = [block[0] for block in blocks if block[0].startswith("id: ")]
    assert ids == ["id: 1", "id: 2"]
    assert [block[0] for block in blocks if block[0].startswith("event")] == [
        "event: progress",
        "event: run",
        "event: end",
    ]
    again = client.get("/v1/runs/r-1/events", params={"stream": True}, headers={"Last-Event-ID": "1"}).text
    assert "id: 1\n" not in again
    assert "id: 2\n" in again
    assert client.get("/v1/runs/none/events", params={"stream": True}).status_code == 404


def test_shipped_recipes_are_told_in_words(client: TestClient) -> None:
    found = {recipe["name"]: recipe for recipe in client.get("/v1/recipes").json()}
    assert {"demo", "alfworld-tiny", "webshop-tiny"} <= set(found)
    assert found["alfworld-tiny"]["title"].startswith("The paper's protocol on the real ALFWorld games")
    assert found["alfworld-tiny"]["fast"]


def test_a_request_names_no_file_of_the_service(client: TestClient) -> None:
    secret = {"name": "r", "environment": "alfworld", "extends": "../../etc/passwd"}
    refused = client.post("/v1/runs", json={"recipe": secret})
    assert refused.status_code == 422
    assert "no preset" in refused.json()["detail"]
    assert client.post("/v1/runs", json={"recipe": "../demo"}).status_code == 404
