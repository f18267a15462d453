"""The root command `a3t`. A subcommand's module is imported only when it is called, so that `a3t --help` stays fast."""

from __future__ import annotations

import importlib
import importlib.metadata
import inspect
import re
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from a3t_contracts import __version__
from a3t_contracts.cli import ENTRY_POINT_GROUP

__all__ = ["build_root"]

_HERE = "a3t_orchestrator.cli"
_COMPLETION = ("install_completion", "show_completion")
_LINE_BREAK = re.compile(r"(?<!\n)\n(?!\n)")


@dataclass(frozen=True, slots=True)
class _Entry:
    target: str
    help: str


_OWN = {
    "demo": _Entry(f"{_HERE}.demo:app", "Run the whole training loop on generated tasks, on this machine."),
    "run": _Entry(f"{_HERE}.run:app", "Run a recipe, or continue an interrupted run."),
    "recipes": _Entry(f"{_HERE}.recipes:app", "Show a recipe's keys and values, or the reference of all keys."),
    "eval": _Entry(f"{_HERE}.evaluate:app", "Evaluate the agents of a run on a split, one trial per task."),
    "ablate": _Entry(f"{_HERE}.ablate:app", "Compare variants of a recipe over several seeds."),
    "report": _Entry(f"{_HERE}.report:app", "Write a run's report: HTML, Markdown, JSON."),
    "runs": _Entry(f"{_HERE}.runs:app", "List, show, follow, pause, resume, cancel and delete runs."),
    "failures": _Entry(f"{_HERE}.failures:app", "List, retry and drop episodes that were given up."),
    "trajectories": _Entry(f"{_HERE}.trajectories:app", "List and show stored episodes."),
    "track": _Entry(f"{_HERE}.track:app", "Send a run's finished rounds to experiment trackers."),
    "export": _Entry(f"{_HERE}.export:app", "Write a run's episodes to a file that trainers read."),
    "import": _Entry(f"{_HERE}.import_:app", "Import episodes that others recorded, to learn from them."),
    "up": _Entry(f"{_HERE}.stack:up_app", "Start all services on this machine."),
    "down": _Entry(f"{_HERE}.stack:down_app", "Stop the services that `a3t up` started."),
    "status": _Entry(f"{_HERE}.stack:status_app", "Show the state of services, queue and database."),
    "adapters": _Entry(f"{_HERE}.adapters:app", "List, check, promote, roll back, remove and push adapter versions."),
    "episode": _Entry(f"{_HERE}.episode:app", "Play one episode to check that the services work together."),
    "db": _Entry(f"{_HERE}.db:app", "Bring the database schema up to date."),
    "worker": _Entry(f"{_HERE}.worker:app", "Run a worker, which plays episodes from the queue."),
}
_HELP_OF_OTHERS = {
    "data": "Generate, import and check the data of environments.",
    "env": "Create an environment of your own and check it.",
    "annotate": "Add reasons for actions to logs of episodes.",
    "models": "List and fetch base models, and check what one can do here.",
    "pretrain": "Train a tiny base model from scratch.",
    "play": "Play a task yourself, with the agent's suggestions if you like.",
    "chat": "Play a task together with the agent.",
}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"a3t {__version__}")
        raise typer.Exit


class _Root(TyperGroup):
    """Lists commands by name, and imports only the one that is called."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(_entries())

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        entry = _entries().get(cmd_name)
        return TyperCommand(cmd_name, help=entry.help, short_help=entry.help) if entry else None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        name, command, rest = super().resolve_command(ctx, args)
        entry = _entries().get(name or "")
        return (name, _load(entry), rest) if entry else (name, command, rest)


def build_root() -> typer.Typer:
    """Build the root command with every installed command."""
    app = typer.Typer(
        cls=_Root,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Agents that write their own training data: act, ask for reasons, learn, repeat.",
        epilog="Begin with `a3t demo`: it needs no GPU, no server and no download. `a3t COMMAND --help` explains a "
        "command.",
        add_completion=False,
    )
    app.callback()(_root)
    return app


def _root(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Agents that write their own training data: act, ask for reasons, learn, repeat."""


@cache
def _entries() -> dict[str, _Entry]:
    return _OWN | _others()


def _others() -> dict[str, _Entry]:
    points = sorted(importlib.metadata.entry_points(group=ENTRY_POINT_GROUP), key=lambda p: p.name)
    return {p.name: _Entry(p.value, _HELP_OF_OTHERS.get(p.name, "")) for p in points if p.name not in _OWN}


def _load(entry: _Entry) -> Any:
    module, _, name = entry.target.partition(":")
    found = getattr(importlib.import_module(module), name)
    return _reflowed(typer.main.get_command(found)) if isinstance(found, typer.Typer) else found


def _reflowed(command: Any) -> Any:
    """Put each paragraph of a command's help on one line, because typer keeps the line breaks of docstrings, and remove
    typer's options for shell completion, which work only for the program itself."""
    command.params = [p for p in command.params if p.name not in _COMPLETION]
    command.help = _LINE_BREAK.sub(" ", inspect.cleandoc(command.help or ""))
    for inner in getattr(command, "commands", {}).values():
        _reflowed(inner)
    return command
