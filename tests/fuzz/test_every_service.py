"""Random requests to every service, as its description allows and as it forbids: no 5xx, no hang, no growth.

`FUZZ_REQUESTS` is how many each service gets (100; `make fuzz` sends 5,000). Each service runs as the
program that it is.
"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import psutil
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode

from a3t_contracts.errors import Problem
from a3t_orchestrator.store import Store
from tests.support.apps import app_of
from tests.support.live_server import live_server
from tests.support.programs import AUTHORIZED, Program, running

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "100"))
SERVICES = ["env", "policy", "actre", "trainer", "orchestrator"]
MANY = 1000
MOST_GROWTH = 96 * 2**20
SECONDS = 30.0

pytestmark = pytest.mark.timeout(120 + REQUESTS)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Iterator[dict[str, Program]]:
    """Few requests go to apps in this process, which is quicker; many to programs, whose memory is then watched."""
    home = tmp_path_factory.mktemp("home")
    store = Store(f"sqlite:///{home / 'a3t.db'}")
    store.upgrade()
    store.close()
    bounds = {"policy_base_model": str(tiny_model), "policy_max_context": 64, "policy_slots": 8}
    if REQUESTS >= MANY:
        variables = {f"A3T_{name.upper()}": str(value) for name, value in bounds.items()}
        with running(SERVICES, home, variables) as started:
            yield started
        return
    with ExitStack() as stack:
        apps = {name: app_of(name, home, **(bounds if name == "policy" else {})) for name in SERVICES}
        yield {
            name: Program(name, stack.enter_context(live_server(app)), os.getpid(), home) for name, app in apps.items()
        }


def known_ids(program: Program) -> dict[str, list[str]]:
    """Names of things that there are, by the names of parameters and fields."""
    known = {"environment": ["calculator"], "place": ["calculator"], "lora_name": ["a3t/tiny"]}
    if program.service == "env":
        tasks = program.get("/v1/tasks?environment=calculator&limit=5").json()["tasks"]
        known["task_id"] = [task["id"] for task in tasks]
        body = {"environment": "calculator", "task_id": known["task_id"][0]}
        known["session_id"] = [program.post("/v1/sessions", body).json()["id"] for _ in range(5)]
    if program.service == "policy":
        known["model"] = [program.get("/v1/models").json()["data"][0]["id"]]
        body = {"environment": "calculator", "task_id": "t"}
        known["episode_id"] = [program.post("/v1/episodes", body).json()["id"] for _ in range(3)]
    return known


def put_in(case: schemathesis.Case, known: dict[str, list[str]], coins: random.Random) -> None:
    """Name things that there are in half of the places that name things, so that requests get past the look-up."""
    bodies = [case.body] if isinstance(case.body, dict) else []
    for place in (case.path_parameters, case.query, *bodies):
        for name in set(place or ()) & known.keys():
            if coins.random() < 0.5:
                place[name] = coins.choice(known[name])


@pytest.mark.parametrize("service", SERVICES)
def test_no_request_makes_a_service_fail(service: str, programs: dict[str, Program]) -> None:
    program, coins = programs[service], random.Random(7)
    schema = schemathesis.openapi.from_url(f"{program.url}/openapi.json")
    operations = [operation.ok() for operation in schema.get_all_operations()]
    each = max(2, math.ceil(REQUESTS / len(operations)))
    process, known, sent = psutil.Process(program.pid), known_ids(program), 0
    before = 0

    for operation in operations:
        cases = [operation.as_strategy(generation_mode=mode) for mode in GenerationMode]

        @given(case=st.one_of(*cases))
        @settings(
            max_examples=each,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        def check(case: schemathesis.Case) -> None:
            nonlocal sent
            put_in(case, known, coins)
            reply = case.call(base_url=program.url, headers=AUTHORIZED, timeout=SECONDS)
            sent += 1
            assert reply.status_code < 500, f"{case.method} {case.path}: {reply.status_code} {reply.text[:1000]}"
            if reply.status_code >= 400 and reply.text and case.path.startswith("/v1/"):
                assert Problem.model_validate_json(reply.content).detail

        check()
        before = before or (process.memory_info().rss if sent > REQUESTS / 5 else 0)

    assert sent >= len(operations)
    grown = process.memory_info().rss - (before or process.memory_info().rss)
    assert REQUESTS < MANY or grown < MOST_GROWTH, f"{grown / 2**20:.0f} MiB more after {sent} requests"
    assert httpx.get(f"{program.url}/health", timeout=SECONDS).status_code == 200
