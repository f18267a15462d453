"""Whatever the OpenAPI allows, and what it does not: no 5xx."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, settings

from a3t_contracts.errors import Problem
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_policy.app import create_app
from a3t_policy.settings import PolicySettings
from tests.support.live_server import live_server

from .conftest import policy_settings

AUTH = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}


@pytest.fixture(scope="module")
def fuzzed(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A service of its own, so that what is loaded and unloaded here disturbs nobody."""
    home = tmp_path_factory.mktemp("fuzzed")
    with live_server(create_app(policy_settings(tiny_model, home, policy_max_context=64, policy_slots=8))) as url:
        yield url


@pytest.fixture(scope="module")
def client(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    app = create_app(
        policy_settings(tiny_model, tmp_path_factory.mktemp("fuzz"), policy_max_context=64, policy_slots=8)
    )
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


schema = schemathesis.openapi.from_dict(
    create_app(PolicySettings(policy_base_model="a3t/tiny")).openapi()  # only read, never started
)


@schema.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_service_fail(case: schemathesis.Case, fuzzed: str) -> None:
    reply = case.call(base_url=fuzzed, headers=AUTH, timeout=120)
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        assert Problem.model_validate_json(reply.content).detail


BODIES = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"\\ud800"',
    b"\xff\xfe",
    b'{"prompt": "\\ud800"}',
    b'{"inputs": "\\ud800"}',
    b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
]


@pytest.mark.parametrize("path", ["/v1/act", "/v1/completions", "/v1/chat/completions", "/generate", "/"])
@pytest.mark.parametrize("body", BODIES)
def test_malformed_bodies_are_refused_with_a_problem(client: TestClient, path: str, body: bytes) -> None:
    reply = client.post(path, content=body, headers=AUTH | {"Content-Type": "application/json"})
    assert 400 <= reply.status_code < 500
    assert Problem.model_validate_json(reply.content).detail
