"""The mount of `a3t data`: verbs are groups, environments are their commands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import typer
from a3t_contracts.settings import CommonSettings

__all__ = ["DataCommands", "app", "data_home"]

Command = Callable[..., Any]

_ENVIRONMENTS = ("alfworld", "webshop")
_VERBS = {
    "fetch": "Download an environment's official data.",
    "import": "Take data from a folder or an archive.",
    "generate": "Make tasks on this machine, without a network.",
    "list": "Show which data is here.",
    "verify": "Compare what is here with its index.",
}


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


def _mount() -> typer.Typer:
    root = typer.Typer(name="data", help="Games and catalogues: fetch, import, generate, list, verify.")
    known = _load()
    for verb, help_text in _VERBS.items():
        group = typer.Typer(help=help_text, no_args_is_help=True)
        for environment, commands in known.items():
            command = commands.of(verb)
            if command is not None:
                group.command(environment)(command)
        # A group of one command must stay a group: `a3t data fetch alfworld`.
        group.callback()(_group_callback(help_text))
        root.add_typer(group, name=verb)
    return root


def _load() -> dict[str, DataCommands]:
    modules = {name: f"a3t_env.{name}.cli" for name in _ENVIRONMENTS}
    return {name: import_module(path).data_commands for name, path in modules.items() if find_spec(path)}


def _group_callback(help_text: str) -> Callable[[], None]:
    def callback() -> None: ...

    callback.__doc__ = help_text
    return callback


app = _mount()
