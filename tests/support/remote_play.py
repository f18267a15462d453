"""Requests for sessions of a remote environment."""

from __future__ import annotations

from a3t_contracts.schemas import SessionCreate

__all__ = ["play"]


def play(task: str = "train-007", **fields: object) -> SessionCreate:
    """A request for a task of the remote `game`."""
    return SessionCreate.model_validate({"environment": "game", "task_id": task, **fields})
