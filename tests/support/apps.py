"""The apps of all services, and their routes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute, APIWebSocketRoute

from a3t_actre.app import create_app as actre
from a3t_actre.settings import ActReSettings
from a3t_env.app import create_app as env
from a3t_env.settings import EnvSettings
from a3t_orchestrator.app import create_app as orchestrator
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_policy.app import create_app as policy
from a3t_policy.settings import PolicySettings
from a3t_trainer.app import create_app as trainer
from a3t_trainer.settings import TrainerSettings

APPS: dict[str, Callable[..., FastAPI]] = {
    "env": lambda home, **settings: env(EnvSettings(home=home, **settings)),
    "policy": lambda home, **settings: policy(PolicySettings(home=home, **settings)),
    "actre": lambda home, **settings: actre(ActReSettings(home=home, **settings)),
    "trainer": lambda home, **settings: trainer(TrainerSettings(home=home, **settings)),
    "orchestrator": lambda home, **settings: orchestrator(OrchestratorSettings(home=home, **settings)),
}


def app_of(service: str, home: Path, **settings: Any) -> FastAPI:
    """A service's app with default settings but for those given."""
    return APPS[service](home, **settings)


def routes_of(app: FastAPI) -> Iterator[APIRoute | APIWebSocketRoute]:
    """Every route of the app, those of its routers too."""
    pending: list[Any] = [*app.routes]
    while pending:
        route = pending.pop()
        if isinstance(route, APIRoute | APIWebSocketRoute):
            yield route
        elif hasattr(route, "original_router"):
            pending += route.original_router.routes
