"""The interface of sessions. They run in this process, or in several processes behind a router."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeAlias

from a3t_contracts.errors import Problem
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionInfo, SessionStep, StepResult

__all__ = ["Sessions", "StepOutcome"]

StepOutcome: TypeAlias = StepResult | Problem
"""The result of a step in a batch."""


class Sessions(Protocol):
    """Opens, steps and closes sessions. See `SessionManager` for errors."""

    async def create(self, request: SessionCreate) -> SessionInfo:
        """Open a session and start its episode."""

    async def restart(self, session_id: str, request: SessionCreate) -> SessionInfo:
        """Start another episode under an earlier session id."""

    async def info(self, session_id: str, include_actions: bool = False) -> SessionInfo:
        """The present state of a session."""

    async def actions(self, session_id: str) -> list[str]:
        """Admissible actions of the present state."""

    async def sample(self, session_id: str, request: SampleRequest) -> str:
        """Draw one action of the action space."""

    async def expert(self, session_id: str) -> str:
        """The scripted expert's next action."""

    async def step(
        self, session_id: str, action: str, index: int | None = None, include_actions: bool = False
    ) -> StepResult:
        """Carry out one step."""

    async def step_many(self, steps: Sequence[SessionStep], include_actions: bool = False) -> list[StepOutcome]:
        """Carry out one step in each of many sessions."""

    async def close(self, session_id: str) -> None:
        """Close a session."""
