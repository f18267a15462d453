"""The commands that an environment adds to `a3t data`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from a3t_contracts.settings import CommonSettings

__all__ = ["ENTRY_POINT_GROUP", "DataCommands", "data_home", "installed_commands"]

ENTRY_POINT_GROUP = "a3t.data"

Command = Callable[..., Any]


@dataclass(frozen=True)
class DataCommands:
    """The commands of an environment: a typer command function for each verb, None for verbs that it does not have."""

    fetch: Command | None = None
    import_: Command | None = None
    generate: Command | None = None
    list: Command | None = None
    verify: Command | None = None
    seed: Callable[[int], bool] | None = None
    """Makes about the given number of tasks if there are none yet, for a new deployment; returns whether it made some.
    """

    def of(self, verb: str) -> Command | None:
        """The command of a verb, by the name that the user types."""
        command: Command | None = getattr(self, "import_" if verb == "import" else verb)
        return command


def installed_commands() -> dict[str, DataCommands]:
    """Commands by environment, from the entry points of the group `a3t.data` of all installed packages."""
    points = sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda point: point.name)
    return {point.name: point.load() for point in points}


def data_home(environment: str) -> Path:
    """Data folder of an environment: `<A3T_HOME>/data/<environment>`."""
    return CommonSettings().home / "data" / environment
