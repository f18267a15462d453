"""Whatever the API description allows or forbids, the service answers as described and never fails."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app
from a3t_env.environments import Environments
from a3t_env.settings import EnvSettings
from tests.env.service.conftest import walk
from tests.support.corridor import CorridorEnvironment
from tests.support.live_server import live_server

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
AUTHORIZED = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}
ROUTES = [
    ("GET", "/v1/environments"),
    ("GET", "/v1/tasks"),
    ("POST", "/v1/sessions"),
    ("GET", "/v1/sessions/{session_id}"),
    ("POST", "/v1/sessions/{session_id}/step"),
    ("GET", "/v1/sessions/{session_id}/actions"),
    ("POST", "/v1/sessions/{session_id}/sample"),
    ("GET", "/v1/sessions/{session_id}/expert"),
    ("DELETE", "/v1/sessions/{session_id}"),
    ("POST", "/v1/steps"),
    ("POST", "/v1/hindsight"),
]
AGENTGYM = [
    ("POST", "create"),
    ("POST", "reset"),
    ("POST", "step"),
    ("GET", "observation"),
    ("GET", "available_actions"),
    ("POST", "close"),
]
OTHERS = [(m, f"/{p}/{{place}}/{call}") for p in ("agentgym", "agentgym-env-idx") for m, call in AGENTGYM]
OTHERS += [("GET", "/openenv/{place}/schema"), ("GET", "/openenv/{place}/metadata")]
"""Routes of other projects' protocols."""
PROBES = {"/health", "/ready", "/metrics"}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    app = create_app(EnvSettings(home=tmp_path_factory.mktemp("home")), Environments({"alfworld": CorridorEnvironment}))
    with live_server(app) as url:
        yield url


@pytest.fixture(scope="module")
def api(service: str) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_url(f"{service}/openapi.json")


def test_every_route_is_fuzzed(api: schemathesis.BaseSchema) -> None:
    described = {(o.ok().method.upper(), o.ok().path) for o in api.get_all_operations()}
    assert {route for route in described if route[1] not in PROBES} == {*ROUTES, *OTHERS}


@pytest.mark.parametrize(
    ("method", "path", "live"),
    [(*route, False) for route in ROUTES + OTHERS] + [(*route, True) for route in ROUTES if "{session_id}" in route[1]],
)
def test_the_service_answers_as_described(
    api: schemathesis.BaseSchema, service: str, method: str, path: str, live: bool
) -> None:
    body = walk(max_steps=1000).model_dump(mode="json")
    opened = httpx.post(f"{service}/v1/sessions", json=body, headers=AUTHORIZED).json()["id"]

    @given(case=api[path][method].as_strategy())
    @settings(
        max_examples=8,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def check(case: schemathesis.Case) -> None:
        if live:
            case.path_parameters["session_id"] = opened
        case.call_and_validate(headers=AUTHORIZED, checks=CHECKS)

    check()
