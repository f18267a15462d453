"""The root command. Its commands are imported when they are called, so that `a3t --help` stays fast."""

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
    "demo": _Entry(f"{_HERE}.demo:app", "Run the whole loop on generated tasks, on this machine."),
    "run": _Entry(f"{_HERE}.run:app", "Run a recipe, or go on with an interrupted run."),
    "recipes": _Entry(f"{_HERE}.recipes:app", "Show recipes with everything that they extend, and all keys."),
    "eval": _Entry(f"{_HERE}.evaluate:app", "Evaluate a run's agents on a split, one trial per task."),
    "ablate": _Entry(f"{_HERE}.ablate:app", "Compare changes of a recipe over seeds."),
    "report": _Entry(f"{_HERE}.report:app", "Write a run's report: HTML, Markdown, JSON."),
    "runs": _Entry(f"{_HERE}.runs:app", "List, show, follow, pause, resume, cancel and delete runs."),
    "failures": _Entry(f"{_HERE}.failures:app", "Episodes that were given up: list, retry, drop."),
    "trajectories": _Entry(f"{_HERE}.trajectories:app", "List and show trajectories."),
    "track": _Entry(f"{_HERE}.track:app", "Send a run's finished rounds to experiment trackers."),
    "export": _Entry(f"{_HERE}.export:app", "Write a run's episodes to a file that trainers read."),
    "import": _Entry(f"{_HERE}.import_:app", "Take in episodes that others recorded, to learn from."),
    "up": _Entry(f"{_HERE}.stack:up_app", "Start every service on this machine."),
    "down": _Entry(f"{_HERE}.stack:down_app", "Stop what `a3t up` started."),
    "status": _Entry(f"{_HERE}.stack:status_app", "Show every service, the queue and the database."),
    "adapters": _Entry(f"{_HERE}.adapters:app", "Adapter versions: list, check, make live, roll back, remove."),
    "episode": _Entry(f"{_HERE}.episode:app", "Play one episode to check that the services work together."),
    "db": _Entry(f"{_HERE}.db:app", "Bring the database's schema up to date."),
    "worker": _Entry(f"{_HERE}.worker:app", "Run a worker of the queue."),
}
_HELP_OF_OTHERS = {
    "data": "Generate, import and check the environments' data.",
    "env": "Write an environment of your own, and check it.",
    "annotate": "Write the reasons of actions into logs of episodes.",
    "models": "List and fetch base models, and say what one can do here.",
    "pretrain": "Train a tiny base model from scratch.",
    "play": "Play a task yourself, with or without the agent's suggestions.",
    "chat": "Play a task together with the agent.",
}


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"a3t {__version__}")
        raise typer.Exit


class _Root(TyperGroup):
    """Lists its commands by name, and imports only the one that is called."""

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
    """The root command with every command that is installed."""
    app = typer.Typer(
        cls=_Root,
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Agents that write their own training data: act, ask for reasons, learn, repeat.",
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
    """The command with each paragraph of its help on one line, because typer keeps the line breaks of docstrings, and
    without typer's options for shell completion, which work for programs only."""
    command.params = [p for p in command.params if p.name not in _COMPLETION]
    command.help = _LINE_BREAK.sub(" ", inspect.cleandoc(command.help or ""))
    for inner in getattr(command, "commands", {}).values():
        _reflowed(inner)
    return command
