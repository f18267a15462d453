"""Our environments for AgentGym's clients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app
from tests.env.elsewhere.conftest import AUTHORIZED, settings_of
from tests.support.agentgym_client import BareClient, ObjectClient
from tests.support.examples import load_example
from tests.support.live_server import live_server


def base(service: str, place: str, prefix: str = "agentgym") -> str:
    """The URL that a client of AgentGym is given, with the token in it."""
    return f"{service.replace('://', f'://a3t:{DEVELOPMENT_TOKEN}@')}/{prefix}/{place}"


def open_sessions(service: str) -> int:
    lines = httpx.get(f"{service}/metrics").text.splitlines()
    return int(float(next(line for line in lines if line.startswith("a3t_env_sessions ")).split()[1]))


@pytest.mark.parametrize("name", ["data_idx", "game", "session_id", "item_id"])
def test_a_client_plays_one_task_after_the_other(service: str, name: str) -> None:
    before = open_sessions(service)
    client = ObjectClient(base(service, "guess"), name)
    assert open_sessions(service) == before + 1
    for number in (7, 201):
        begun = client.reset(number)
        assert begun["available_actions"][0] == "guess 1"
        assert begun["observation"] == client.get("observation") == "Guess a number from 1 to 20."
        assert client.get("available_actions")["available_actions"] == begun["available_actions"]
        low, high, said = 1, 20, begun
        while not said["done"]:
            said = client.step(f"guess {(low + high) // 2}")
            middle = (low + high) // 2
            low, high = (middle + 1, high) if said["state"] == "higher" else (low, middle - 1)
        assert (said["observation"], said["reward"], said["score"]) == ("correct", 1.0, 1.0)
    assert open_sessions(service) == before + 1
    assert client.post("close", {}) is True
    assert open_sessions(service) == before


def test_a_client_that_reads_a_bare_id(service: str) -> None:
    client = BareClient(base(service, "alfworld:generated_train", "agentgym-env-idx"), "session_id")
    begun = client.reset(2)
    assert "Your task is to" in begun[0]
    said = client.step("inventory")
    assert (said["done"], said["reward"]) == (False, 0.0)
    assert "carrying" in said["state"]
    client.post("close", {})


def test_numbers_are_places_in_the_list_of_tasks(service: str) -> None:
    tasks = httpx.get(f"{service}/v1/tasks?environment=alfworld", headers=AUTHORIZED).json()["tasks"]
    client = ObjectClient(base(service, "alfworld"), "game")
    types = [client.reset(number)["task_type"] for number in range(len(tasks))]
    assert types == [task["type"] for task in tasks]
    client.post("close", {})


@pytest.mark.parametrize(
    ("prefix", "body"),
    [("agentgym-env-idx", {"id": 2}), ("agentgym", {"seed": 0, "idx": 2}), ("agentgym", {"seed": 2})],
)
def test_clients_that_call_the_number_otherwise_get_that_task(service: str, prefix: str, body: dict[str, int]) -> None:
    made = httpx.post(f"{base(service, 'alfworld', prefix)}/create", json={"id": 0}).json()
    env = made if prefix == "agentgym-env-idx" else made["env_idx"]
    begun = httpx.post(f"{base(service, 'alfworld', prefix)}/reset", json=body | {"env_idx": env}).json()
    assert (begun["terminated"], begun["done"]) == (False, False)
    tasks = httpx.get(f"{service}/v1/tasks?environment=alfworld", headers=AUTHORIZED).json()["tasks"]
    played = httpx.get(f"{service}/v1/sessions/{env}", headers=AUTHORIZED).json()
    assert played["task"]["id"] == tasks[2]["id"]
    httpx.post(f"{base(service, 'alfworld', prefix)}/close", json={"env_idx": env})


def test_the_example_plays(service: str) -> None:
    agent = load_example("elsewhere/agentgym_agent.py")
    before = open_sessions(service)
    client = agent.Client(base(service, "guess"))
    assert [agent.play(client, number) in (0.0, 1.0) for number in range(3)] == [True] * 3
    client.close()
    assert open_sessions(service) == before


@pytest.fixture
def small(home: Path) -> Iterator[str]:
    """A service with one session, whose idle time is short."""
    with live_server(create_app(settings_of(home, env_max_sessions=1))) as url:
        yield url


def test_environments_are_capped_and_come_back_by_a_reset(small: str) -> None:
    client = ObjectClient(base(small, "guess"))
    full = httpx.post(f"{base(small, 'guess')}/create")
    assert (full.status_code, "Retry-After" in full.headers) == (429, True)
    httpx.delete(f"{small}/v1/sessions/{client.env_id}", headers=AUTHORIZED).raise_for_status()
    assert httpx.post(f"{base(small, 'guess')}/step", json={"id": client.env_id, "action": "x"}).status_code == 410
    assert client.reset(3)["observation"]
    assert not client.step("guess 30")["done"]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("guess/reset", {"id": "ID", "data_idx": 250}, 404),
        ("guess:dev/reset", {"id": "ID", "data_idx": 0}, 404),
        ("chess/create", {}, 404),
        ("guess/reset", {"data_idx": 0}, 422),
        ("guess/reset", {"id": "0-unknown", "data_idx": 0}, 404),
        ("guess/reset", {"id": "ID", "data_idx": -1}, 422),
        ("webshop/create", {}, 404),
    ],
)
def test_what_cannot_be_played_is_told(service: str, path: str, body: dict[str, object], status: int) -> None:
    client = ObjectClient(base(service, "guess:test"))
    sent = {key: client.env_id if value == "ID" else value for key, value in body.items()}
    reply = httpx.post(f"{service}/agentgym/{path}", json=sent, headers=AUTHORIZED)
    assert (reply.status_code, reply.headers["content-type"]) == (status, "application/problem+json")
    assert client.step("guess 30")["observation"], "the environment goes on"
    client.post("close", {})


def test_no_token_no_environment(service: str) -> None:
    assert httpx.post(f"{service}/agentgym/guess/create").status_code == 401
    assert httpx.post(f"{service.replace('://', '://a3t:wrong@')}/agentgym/guess/create").status_code == 401
    assert httpx.post(f"{service}/agentgym/guess/create", headers={"Authorization": "Basic %"}).status_code == 401
