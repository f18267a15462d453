"""The service over HTTP with the template annotator."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from starlette.testclient import TestClient

from a3t_actre.app import create_app
from a3t_actre.settings import ActReSettings
from a3t_contracts.clients import ActReClient
from a3t_contracts.errors import InvalidInputError, OverloadedError, Problem, TooLargeError, UnauthorizedError
from a3t_contracts.schemas import Reason, ReasonsRequest
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from tests.actre.conftest import ServiceFactory, make_query

AUTH = {"Authorization": f"Bearer {DEVELOPMENT_TOKEN}"}


async def test_a_batch_is_answered_in_order(actre_url: str) -> None:
    queries = [make_query(f"go to {name}") for name in ("shelf 1", "shelf 2", "drawer 1")] * 50
    async with ActReClient(actre_url, DEVELOPMENT_TOKEN) as client:
        results = (await client.reasons(ReasonsRequest(queries=queries))).results
    assert len(results) == 150
    for query, result in zip(queries, results, strict=True):
        assert isinstance(result, Reason)
        assert query.action.removeprefix("go to ") in result.reason
        assert (result.annotator, result.model, result.fallback, result.cached) == ("template", None, False, False)


async def test_an_llm_that_is_not_set_up_is_one_clear_error(actre: ServiceFactory) -> None:
    with pytest.raises(InvalidInputError, match="A3T_ACTRE_UPSTREAM_URL"):
        await (await actre()).reasons(ReasonsRequest(queries=[make_query("look")], annotator="llm"))


async def test_the_token_is_asked_for_and_probes_are_open(actre: ServiceFactory, actre_url: str) -> None:
    client = await actre(token="wrong")
    with pytest.raises(UnauthorizedError):
        await client.reasons(ReasonsRequest(queries=[make_query("look")]))
    assert (await client.ready())["annotator"] == "template"
    assert "a3t_actre_reasons_total" in httpx.get(f"{actre_url}/metrics").text


async def test_caps_refuse_too_much_at_once(actre: ServiceFactory, actre_url: str) -> None:
    small = await actre(actre_max_body_bytes=10_000)
    with pytest.raises(TooLargeError):
        await small.reasons(ReasonsRequest(queries=[make_query("look " * 800)] * 20))
    reply = httpx.post(
        f"{actre_url}/v1/reasons",
        headers=AUTH,
        json={"queries": [make_query("look").model_dump(mode="json")] * 257},
    )
    assert reply.status_code == 422
    assert Problem.model_validate_json(reply.content).detail.startswith("body.queries")


async def test_a_full_queue_answers_429(tmp_path: Path) -> None:
    import asyncio

    from a3t_actre.annotators.template import TemplateAnnotator
    from a3t_actre.desk import Desk

    desk = Desk({"template": TemplateAnnotator()}, "template", concurrency=1, queue=8)
    first = asyncio.create_task(desk.answer([make_query("look")] * 8, None))
    await asyncio.sleep(0)
    with pytest.raises(OverloadedError, match="8 queries are unfinished already; the limit is 8"):
        await desk.answer([make_query("look")], None)
    assert len(await first) == 8
    assert len(await desk.answer([make_query("look")], None)) == 1


def test_bad_settings_are_named() -> None:
    for values, name in (
        ({"actre_annotator": "llm"}, "A3T_ACTRE_UPSTREAM_URL"),
        ({"actre_upstream_url": "nowhere"}, "actre_upstream_url"),
        ({"actre_retries": -1}, "actre_retries"),
    ):
        with pytest.raises(ValueError, match=name):
            ActReSettings(**values)  # type: ignore[arg-type]


def test_the_module_refuses_bad_settings_with_exit_code_2(tmp_path: Path) -> None:
    environment = os.environ | {"A3T_ACTRE_ANNOTATOR": "llm", "A3T_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "a3t_actre"], env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "A3T_ACTRE_UPSTREAM_URL" in done.stderr
    assert "Traceback" not in done.stderr


schema = schemathesis.openapi.from_asgi("/openapi.json", create_app(ActReSettings()))


@schema.parametrize()
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_no_request_makes_the_service_fail(case: schemathesis.Case) -> None:
    reply = case.call(headers=AUTH)
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        Problem.model_validate_json(reply.content)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b'{"queries": []}', b'"\\ud800"', b"\xff\xfe", b"1" * 5000, b'{"queries": [{}]}'],
)
def test_malformed_bodies_are_refused_with_a_problem(body: bytes) -> None:
    with TestClient(create_app(ActReSettings())) as client:
        reply = client.post("/v1/reasons", content=body, headers=AUTH | {"Content-Type": "application/json"})
    assert 400 <= reply.status_code < 500
    assert Problem.model_validate_json(reply.content).detail


@pytest.mark.parametrize("text", ["\ud800", "\x00", "A" * 4097, "", "\u202e", "Your task is to: " * 200])
def test_odd_texts_are_answered_or_refused(text: str) -> None:
    history = {"environment": "alfworld", "observation": text, "turns": [{"action": text, "observation": text}]}
    body = json.dumps({"queries": [{"history": history, "action": text}]})
    with TestClient(create_app(ActReSettings())) as client:
        reply = client.post("/v1/reasons", content=body, headers=AUTH | {"Content-Type": "application/json"})
    assert reply.status_code in (200, 400, 422)
