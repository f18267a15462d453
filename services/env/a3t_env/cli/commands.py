"""What an environment brings to `a3t data`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from a3t_contracts.settings import CommonSettings

__all__ = ["DataCommands", "data_home"]

Command = Callable[..., Any]


@dataclass(frozen=True)
class DataCommands:
    """What an environment can do with its data: a typer command function for each verb, None where there is none."""

    fetch: Command | None = None
    import_: Command | None = None
    generate: Command | None = None
    list: Command | None = None
    verify: Command | None = None

    def of(self, verb: str) -> Command | None:
        """The command of a verb as the user writes it."""
        command: Command | None = getattr(self, "import_" if verb == "import" else verb)
        return command


def data_home(environment: str) -> Path:
    """Where an environment's data lies: `<A3T_HOME>/data/<environment>`."""
    return CommonSettings().home / "data" / environment
