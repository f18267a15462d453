"""Builds `a3t data VERB ENVIRONMENT` from the commands of all environments."""

from __future__ import annotations

from collections.abc import Callable

import typer

from .commands import installed_commands

__all__ = ["app"]

_VERBS = {
    "fetch": "Download an environment's official data.",
    "import": "Import data from a folder or an archive.",
    "generate": "Make tasks on this machine, without a network.",
    "list": "List the data on this machine.",
    "verify": "Check that the data is complete and unchanged.",
}


def _mount() -> typer.Typer:
    root = typer.Typer(
        name="data", add_completion=False, help="Generate, fetch, import, list and verify the environments' data."
    )
    known = installed_commands()
    for verb, help_text in _VERBS.items():
        group = typer.Typer(add_completion=False, help=help_text, no_args_is_help=True)
        for environment, commands in known.items():
            command = commands.of(verb)
            if command is not None:
                group.command(environment)(command)
        # With a callback, a group of one command stays a group: `a3t data fetch ENVIRONMENT`.
        group.callback()(_group_callback(help_text))
        root.add_typer(group, name=verb)
    return root


def _group_callback(help_text: str) -> Callable[[], None]:
    def callback() -> None: ...

    callback.__doc__ = help_text
    return callback


app = _mount()
