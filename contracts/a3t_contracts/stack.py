"""Finds the services that `a3t up` started, in the file that it writes under A3T_HOME."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

__all__ = ["stack_file", "stack_url"]


class _Stack(BaseModel):
    """The part of the file that processes other than `a3t up` read."""

    urls: dict[str, str] = {}


def stack_file(home: Path) -> Path:
    """Return the path of the file that describes the running services of an A3T_HOME."""
    return home.expanduser() / "run" / "stack.json"


def stack_url(home: Path, service: str) -> str | None:
    """Return the address of a service of the running stack; None if no stack runs, or the stack does not have this
    service."""
    try:
        return _Stack.model_validate_json(stack_file(home).read_bytes()).urls.get(service)
    except (OSError, ValidationError):
        return None
