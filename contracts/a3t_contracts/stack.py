"""Finding the services that `a3t up` started: it notes them in a file of its A3T_HOME."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ValidationError

__all__ = ["stack_file", "stack_url"]


class _Stack(BaseModel):
    """What others than `a3t up` read of the file."""

    urls: dict[str, str] = {}


def stack_file(home: Path) -> Path:
    """The file that describes the running services of an A3T_HOME."""
    return home.expanduser() / "run" / "stack.json"


def stack_url(home: Path, service: str) -> str | None:
    """Address of a service of the stack; None where there is no stack, or none with this service."""
    try:
        return _Stack.model_validate_json(stack_file(home).read_bytes()).urls.get(service)
    except (OSError, ValidationError):
        return None
