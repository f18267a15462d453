"""The orchestrator's API and pages over a real database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from a3t_contracts.schemas import ReasonBy, Source, Step, StopReason, Trajectory, TrajectoryKind, Trigger
from a3t_orchestrator.app import create_app
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Store, add_event, create_run, open_round, save_trajectory, touch_run

SECRET = "a-token-of-this-test"
AUTH = {"Authorization": f"Bearer {SECRET}"}
EPISODE = "abcdef" * 4


def episode(name: str, kind: TrajectoryKind, success: bool, split: str = "train") -> Trajectory:
    step = Step(
        index=0,
        observation="A <b>room</b>.",
        thought="Because.",
        action="go to shelf 1",
        source=Source.sampled,
        reason_by=ReasonBy.actre,
        reason_annotator="template",
        trigger=Trigger.coin,
        policy_action="look",
        valid=True,
    )
    return Trajectory(
        id=name,
        run="r-1",
        round=1,
        environment="alfworld",
        split=split,
        task_id=f"task-{name[:4]}",
        task_type="pick",
        kind=kind,
        policy_version="r-1-r00",
        steps=[step],
        reward=float(success),
        success=success,
        stop_reason=StopReason.success if success else StopReason.max_steps,
        created_at=datetime.now(UTC),
    )


@pytest.fixture
def settings(tmp_path: Path) -> OrchestratorSettings:
    found = OrchestratorSettings.model_validate(
        {"home": tmp_path, "token": SECRET, "mode": "production", "redis_url": None}
    )
    store = Store(found.database)
    store.upgrade()
    with store.session() as session:
        create_run(session, "r-1", parse_recipe({"name": "r", "environment": "alfworld"}), "abc", {})
        touch_run(session, "r-1", status="running", round=1, phase="compose")
        open_round(session, "r-1", 1)
        add_event(session, "r-1", 1, "published", "r-1-r01 is live")
        save_trajectory(session, EPISODE, episode(EPISODE, TrajectoryKind.composed, True), phase="compose")
        save_trajectory(session, "0" * 24, episode("0" * 24, TrajectoryKind.policy, False), phase="rollout")
        save_trajectory(session, "1" * 24, episode("1" * 24, TrajectoryKind.evaluation, True, "held"), phase="evaluate")
    store.close()
    return found


@pytest.fixture
def client(settings: OrchestratorSettings) -> Iterator[TestClient]:
    with TestClient(create_app(settings)) as opened:
        yield opened


def test_probes(client: TestClient) -> None:
    assert client.get("/health").json()["service"] == "orchestrator"
    assert client.get("/ready").status_code == 200
    assert 'a3t_queue_length{queue="rollout"}' in client.get("/metrics").text


def test_runs_and_trajectories_as_json(client: TestClient) -> None:
    assert [run["name"] for run in client.get("/v1/runs", headers=AUTH).json()] == ["r-1"]
    assert client.get("/v1/runs/r-1/events", headers=AUTH).json()[0]["kind"] == "published"
    report = client.get("/v1/runs/r-1/report", headers=AUTH).json()
    assert report["rounds"][0]["composition"]["kept"] == 1
    assert report["rounds"][0]["evaluations"][0]["single"]["successes"] == 1
    page = client.get("/v1/trajectories", params={"run": "r-1", "limit": 2}, headers=AUTH).json()
    assert (len(page["trajectories"]), page["total"], page["next_offset"]) == (2, 3, 2)
    won = client.get("/v1/trajectories", params={"kind": "composed"}, headers=AUTH).json()
    assert [t["id"] for t in won["trajectories"]] == [EPISODE]
    found = client.get("/v1/trajectories", params={"search": "room -mug", "limit": 1}, headers=AUTH).json()
    assert (found["total"], len(found["trajectories"]), found["previous_cursor"]) == (3, 1, None)
    second = client.get("/v1/trajectories", params={"cursor": found["next_cursor"], "limit": 1}, headers=AUTH).json()
    assert second["trajectories"][0]["id"] != found["trajectories"][0]["id"]
    whole = client.get(f"/v1/trajectories/{EPISODE[:8]}", headers=AUTH).json()
    assert whole["steps"][0]["reason_by"] == "actre"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/runs/none", 404),
        ("/v1/runs/none/report", 404),
        ("/v1/trajectories/fff", 404),
        ("/v1/trajectories?limit=0", 422),
        ("/v1/trajectories?kind=odd", 422),
        ("/v1/trajectories?sort=odd", 422),
        ("/v1/trajectories?cursor=odd", 422),
        (f"/v1/trajectories?search={'x' * 401}", 422),
        ("/trajectories?cursor=odd", 422),
        (f"/trajectories/{EPISODE}/steps/1/tokens", 404),
        (f"/trajectories/{EPISODE}/beside/{'0' * 24}", 422),
        ("/play/none", 404),
    ],
)
def test_what_is_not_there(client: TestClient, path: str, status: int) -> None:
    reply = client.get(path, headers=AUTH)
    assert reply.status_code == status
    assert reply.json()["detail"]


def test_pages_show_runs_episodes_and_escape_what_they_show(client: TestClient) -> None:
    client.headers["Authorization"] = f"Bearer {SECRET}"
    assert "r-1" in client.get("/").text
    assert "r-1-r01 is live" in client.get("/runs/r-1").text
    assert EPISODE in client.get("/runs/r-1/trajectories?kind=composed").text
    assert "0" * 24 not in client.get("/runs/r-1/trajectories?success=true").text
    shown = client.get(f"/trajectories/{EPISODE}").text
    assert "Sampled action" in shown
    assert "Reason by ActRe" in shown
    assert "&lt;b&gt;room" in shown
    assert "<b>room" not in shown
    assert "<svg" in client.get("/runs/r-1/report").text
