"""What the service knows of an environment before its first use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..protocol import Environment
    from ..settings import EnvSettings

__all__ = ["ENTRY_POINT_GROUP", "EnvironmentPlugin"]

ENTRY_POINT_GROUP = "a3t.environments"


@dataclass(frozen=True, slots=True)
class EnvironmentPlugin:
    """An environment that is built at its first use.

    Args:
        build: makes the environment; raises an A3TError if its data or a package is missing.
        max_steps: default step cap of an episode; it is listed even while the environment has no tasks.
        get_data: how to get the tasks, in words; empty if they are part of the environment.
        title: how its authors write its name, if it differs from the plug-in's; part of its id in Gymnasium.
    """

    build: Callable[[EnvSettings], Environment]
    max_steps: int = 50
    get_data: str = ""
    title: str = ""
