"""The reference server answers whatever is asked as docs/reference/environment-protocol.yaml says."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import schemathesis
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from a3t_env.reference_server import environment_app
from tests.support.examples import load_example
from tests.support.live_server import live_server

DOCUMENT = yaml.safe_load((Path(__file__).parents[3] / "docs/reference/environment-protocol.yaml").read_text())
OPERATIONS = [(m, path) for path, item in DOCUMENT["paths"].items() for m in item if m in ("get", "post", "delete")]
CHECKS = [not_a_server_error, status_code_conformance, response_schema_conformance]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with live_server(environment_app(load_example("environments/guess.py").Guess)) as url:
        yield url


@pytest.mark.parametrize(("method", "path"), OPERATIONS)
def test_the_reference_server_keeps_the_protocol(server: str, method: str, path: str) -> None:
    operation = schemathesis.openapi.from_dict(DOCUMENT)[path][method]
    episode = httpx.post(f"{server}/episodes", json={"task": "train-001"}).json()["id"]

    @given(case=operation.as_strategy())
    @settings(
        max_examples=15,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def fuzz(case: schemathesis.Case) -> None:
        if "{id}" in path:
            case.path_parameters["id"] = episode
        case.call_and_validate(base_url=server, checks=CHECKS)

    fuzz()


def test_an_episode_by_the_protocol_alone(server: str) -> None:
    with httpx.Client(base_url=server) as client:
        assert client.get("/info").json()["splits"] == {"train": 200, "test": 50}
        assert client.get("/tasks").json()["tasks"][0] == {"id": "train-000", "split": "train", "type": "task"}
        episode = client.post("/episodes", json={"task": "train-001", "seed": 3}).json()
        path, index, done = f"/episodes/{episode['id']}", 0, False
        while not done:
            action = client.get(f"{path}/expert").json()["action"]
            step = client.post(f"{path}/step", json={"action": action, "index": index}).json()
            assert client.post(f"{path}/step", json={"action": action, "index": index}).json() == step
            index, done = index + 1, step["done"]
        assert step["success"]
        assert client.post(f"{path}/step", json={"action": "guess 1", "index": 99}).status_code == 409
        assert client.post("/episodes", json={"task": "nowhere"}).status_code == 404
        assert client.delete(path).status_code == 204
        assert client.get(f"{path}/actions").status_code == 404
