"""The session layer over the corridor, with a clock that tests turn."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import pytest

from a3t_contracts.schemas import SessionCreate
from a3t_env.environments import Environments
from a3t_env.sessions import SessionLimits, SessionManager
from tests.support.corridor import CorridorEnvironment


@dataclass
class Clock:
    """Seconds that pass only when a test says so."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def corridor() -> CorridorEnvironment:
    return CorridorEnvironment()


@pytest.fixture
def clock() -> Clock:
    return Clock()


ManagerFactory = Callable[..., SessionManager]


@pytest.fixture
async def make_manager(corridor: CorridorEnvironment, clock: Clock) -> AsyncIterator[ManagerFactory]:
    """Builds managers with the limits given; closes them, and checks that no episode is left running."""
    made: list[SessionManager] = []

    def make(**limits: float) -> SessionManager:
        made.append(SessionManager(Environments({"alfworld": lambda: corridor}), SessionLimits(**limits), clock=clock))
        return made[-1]

    yield make
    corridor.gate.open.set()
    for manager in made:
        await manager.aclose()
        assert len(manager) == 0
    assert not corridor.running


def walk(rooms: int = 3, **fields: object) -> SessionCreate:
    """A request for a corridor of so many rooms."""
    return SessionCreate.model_validate({"environment": "alfworld", "task_id": f"corridor-{rooms}", **fields})
