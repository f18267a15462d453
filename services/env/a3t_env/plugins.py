"""Environments as plug-ins: what a package names under the entry point group `a3t.environments`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from a3t_contracts.errors import InvalidInputError

from .protocol import Environment
from .settings import EnvSettings

__all__ = ["ENTRY_POINT_GROUP", "EnvironmentPlugin", "installed_plugins"]

ENTRY_POINT_GROUP = "a3t.environments"


@dataclass(frozen=True, slots=True)
class EnvironmentPlugin:
    """An environment that is built when it is first used.

    Args:
        build: makes the environment; raises an A3TError where its data or a package is missing.
        max_steps: default step cap of an episode, told even while the environment has no tasks.
        get_data: how to get tasks, in words, where they are data.
    """

    build: Callable[[EnvSettings], Environment]
    max_steps: int = 50
    get_data: str = ""


def installed_plugins() -> dict[str, EnvironmentPlugin]:
    """Name → plug-in of every installed package. Raises InvalidInputError that names a package whose plug-in is bad."""
    return {point.name: _loaded(point) for point in entry_points(group=ENTRY_POINT_GROUP)}


def _loaded(point: EntryPoint) -> EnvironmentPlugin:
    package = point.dist.name if point.dist else "an installed package"
    hint = f"Mend or uninstall {package}."
    try:
        found: Any = point.load()
    except Exception as error:
        raise InvalidInputError(
            f"The environment {point.name!r} ({point.value}) of {package} cannot be loaded: {error}", hint=hint
        ) from error
    if not isinstance(found, EnvironmentPlugin):
        raise InvalidInputError(f"{point.value} of {package} is no EnvironmentPlugin.", hint=hint)
    return found
