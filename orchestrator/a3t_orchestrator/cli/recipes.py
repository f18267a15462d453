"""`a3t recipes`."""

from __future__ import annotations

import typer
import yaml

from a3t_contracts.cli import JsonOption, emit_json

from ..recipe import load_recipe
from ..recipe.reference import reference
from .common import FastOption, RecipeArgument, SetOption

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.callback()
def recipes() -> None:
    """Show the keys and values of a recipe, or the reference of all recipe keys."""


@app.command("show")
def show(
    config: RecipeArgument,
    fast: FastOption = False,
    overrides: SetOption = None,
    as_json: JsonOption = False,
) -> None:
    """Print every key of a recipe with the value that a run would use: from the file, from the recipes that it extends,
    or the default.

    Example: `a3t recipes show configs/demo.yaml --fast`
    """
    values = load_recipe(config, fast=fast, overrides=overrides or ()).model_dump(mode="json")
    if as_json:
        emit_json(values)
        return
    typer.echo(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=118), nl=False)


@app.command("reference")
def print_reference() -> None:
    """Print the reference of recipe keys as Markdown: every key with its type, default and meaning
    (docs/reference/recipe.md)."""
    typer.echo(reference(), nl=False)
