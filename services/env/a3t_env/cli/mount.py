"""The mount of `a3t data`: verbs are groups, environments are their commands."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec

import typer

from .commands import DataCommands

__all__ = ["app"]

_ENVIRONMENTS = ("alfworld", "webshop")
_VERBS = {
    "fetch": "Download an environment's official data.",
    "import": "Take data from a folder or an archive.",
    "generate": "Make tasks on this machine, without a network.",
    "list": "Show which data is here.",
    "verify": "Compare what is here with its index.",
}


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
