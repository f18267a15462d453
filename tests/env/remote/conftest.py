"""The session layer over a remote environment."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from a3t_env.app import limits_of
from a3t_env.environments import configured
from a3t_env.sessions import SessionManager
from a3t_env.settings import EnvSettings

ManagerOf = Callable[..., SessionManager]


@pytest.fixture
async def manager_of() -> AsyncIterator[ManagerOf]:
    """Builds a manager for `A3T_ENV_REMOTES`, with further settings of the service."""
    made: list[tuple[SessionManager, Callable[[], None]]] = []

    def make(remotes: str, **settings: object) -> SessionManager:
        read = EnvSettings.model_validate({"env_remotes": remotes, **settings})
        environments = configured(read)
        manager = SessionManager(environments, limits_of(read))
        made.append((manager, environments.close))
        return manager

    yield make
    for manager, close in made:
        await manager.aclose()
        close()
