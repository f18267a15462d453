"""Each service answers `/health` while one client sends it the heaviest requests that it takes, and heavier ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from a3t_actre.app import create_app as actre
from a3t_actre.settings import ActReSettings
from a3t_contracts.settings import DEVELOPMENT_TOKEN
from a3t_env.app import create_app as env
from a3t_env.settings import EnvSettings
from a3t_orchestrator.app import create_app as orchestrator
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_policy.app import create_app as policy
from a3t_policy.settings import PolicySettings
from a3t_trainer.app import create_app as trainer
from a3t_trainer.settings import TrainerSettings
from tests.support.live_server import live_server
from tests.support.under_load import health_under, pieces

TEXT = "You see a cabinet 1 and a mug 2. " * 10_000
TURNS = [{"action": f"go to shelf {n}", "observation": "You see a mug 1. " * 3} for n in range(1000)]
HISTORY = {"environment": "alfworld", "observation": "A room. Your task is to: put a mug in a shelf."}
BODIES: dict[str, list[tuple[str, Any]]] = {
    "policy": [
        ("/generate", {"inputs": TEXT, "parameters": {"truncate": 4, "max_new_tokens": 1}}),
        ("/v1/completions", {"prompt": TEXT * 10}),
        ("/v1/act", {"turns": [{"history": HISTORY | {"observation": TEXT * 4}}] * 4}),
    ],
    "actre": [("/v1/reasons", {"queries": [{"history": HISTORY | {"turns": TURNS}, "action": "look"}] * 20})],
    "trainer": [("/v1/fine_tuning/jobs", {"augmentation": {"interchangeable": [[f"w{n}" for n in range(20_000)]]}})],
    "env": [("/v1/steps", {"steps": [{"session_id": "0-none", "action": "x" * 700}] * 4000})],
    "orchestrator": [("/v1/runs", {"x": "y" * 2**19})],
}


def app_of(service: str, home: Path, base: Path) -> FastAPI:
    makers: dict[str, Callable[[], FastAPI]] = {
        "policy": lambda: policy(PolicySettings(home=home, policy_base_model=str(base), policy_max_context=512)),
        "actre": lambda: actre(ActReSettings(home=home)),
        "trainer": lambda: trainer(TrainerSettings(home=home, trainer_keep_warm=False)),
        "env": lambda: env(EnvSettings(home=home)),
        "orchestrator": lambda: orchestrator(OrchestratorSettings(home=home)),
    }
    return makers[service]()


@pytest.mark.parametrize("service", BODIES)
def test_health_is_answered_meanwhile(service: str, tmp_path: Path, tiny_model: Path) -> None:
    def sending(path: str, body: Any) -> Callable[[httpx.Client], httpx.Response]:
        return lambda http: http.post(path, json=body)

    def too_long(http: httpx.Client) -> httpx.Response:
        return http.post(BODIES[service][0][0], content=pieces(40), headers={"Content-Type": "application/json"})

    heavy = [*(sending(path, body) for path, body in BODIES[service] * 3), too_long, too_long]
    with live_server(app_of(service, tmp_path, tiny_model)) as url:
        load = health_under(url, DEVELOPMENT_TOKEN, heavy)
    assert load.statuses[-2:] == [413, 413]
    assert not [status for status in load.statuses if status >= 500]
    assert load.health >= len(heavy)
