"""FastAPI dependencies of the routers."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from a3t_contracts.errors import UnavailableError

from ..state import TrainerState

__all__ = ["State"]


def _state(request: Request) -> TrainerState:
    state: TrainerState | None = getattr(request.app.state, "trainer", None)
    if state is None:
        raise UnavailableError("The trainer is starting.", hint="Wait for `GET /ready`.")
    return state


State = Annotated[TrainerState, Depends(_state)]
