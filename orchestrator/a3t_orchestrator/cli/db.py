"""`a3t db`."""

from __future__ import annotations

import typer
from sqlalchemy import make_url

from a3t_contracts.cli import JsonOption, console, emit_json

from ..settings import OrchestratorSettings
from ..store import Store

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The database.")


@app.command()
def upgrade() -> None:
    """Run the migrations that are missing."""
    settings = OrchestratorSettings()
    store = Store(settings.database)
    store.upgrade()
    console.print(f"{_shown(settings)} has schema {store.revision()}.")


@app.command()
def current(as_json: JsonOption = False) -> None:
    """Show the database and its schema's revision."""
    settings = OrchestratorSettings()
    revision = Store(settings.database).revision()
    if as_json:
        emit_json({"database": _shown(settings), "revision": revision})
    else:
        console.print(f"{_shown(settings)} has schema {revision or 'none: run `a3t db upgrade`'}.")


def _shown(settings: OrchestratorSettings) -> str:
    return make_url(settings.database).render_as_string(hide_password=True)
