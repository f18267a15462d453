"""`a3t env`: writes the skeleton of an environment, and checks environments."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.logging import configure_logging

from .new import class_name_of, write_skeleton

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="Write your own environment, and check it.")

_MARKS = {"passed": "[green]✓[/]", "failed": "[red]✗[/]", "noted": "[yellow]·[/]"}


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the environment, e.g. my-game.", show_default=False)],
    into: Annotated[
        Path, typer.Option(help="Folder in which the folder NAME is created; default: the current one.")
    ] = Path(),
) -> None:
    """Write the folder NAME with a working environment to change, its test, a recipe and a README."""
    written = write_skeleton(name, into)
    for path in written:
        console.print(f"wrote {path}", highlight=False, markup=False)
    folder, module, kind = written[0].parent, written[0].stem, class_name_of(name)
    console.print(
        f"Next: cd {folder} && a3t env check {module}.py:{kind}\n"
        f"Then: A3T_ENV_PLUGINS={module}:{kind} a3t run recipe.yaml",
        highlight=False,
        markup=False,
    )


@app.command("check")
def check(
    subject: Annotated[
        str,
        typer.Argument(
            metavar="NAME|module:Class|URL",
            help="An environment that is installed or in A3T_ENV_PLUGINS, a class (module:Class or file.py:Class), or "
            "the URL of an environment behind HTTP or of an env service.",
            show_default=False,
        ),
    ],
    environment: Annotated[
        str | None, typer.Option(help="Name of the environment, if the service at the URL has several.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Play an environment, and check that it does what runs rely on. The exit code is 1 if a check fails."""
    configure_logging("a3t", "CRITICAL", False)  # the verdicts report what fails
    failed = asyncio.run(_check(subject, environment, as_json))
    raise typer.Exit(int(failed))


async def _check(subject: str, environment: str | None, as_json: bool) -> bool:
    from .check import check_environment, serving

    verdicts = []
    async with serving(subject, environment) as (client, info):
        async for verdict in check_environment(client, info):
            verdicts.append(verdict)
            if not as_json:
                console.print(
                    f"{_MARKS[verdict.state]} [bold]{verdict.check}[/]: {escape(verdict.text)}", soft_wrap=True
                )
                if verdict.hint:
                    console.print(f"  {escape(verdict.hint)}", style="dim", soft_wrap=True)
    failed = [verdict.check for verdict in verdicts if verdict.state == "failed"]
    if as_json:
        emit_json({"environment": info.name, "ok": not failed, "checks": [asdict(verdict) for verdict in verdicts]})
    else:
        summary = f"failed: {', '.join(failed)}" if failed else "every check passed"
        console.print(f"{info.name}: {summary}.", highlight=False, markup=False)
    return bool(failed)
