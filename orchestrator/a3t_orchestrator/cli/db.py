"""`a3t db`."""

from __future__ import annotations

from typing import Annotated

import typer
from sqlalchemy import make_url
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from a3t_contracts.cli import JsonOption, console, emit_json

from ..settings import OrchestratorSettings
from ..store import DatabaseAwayError, Store

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Create or update the schema of the database, and show its revision.",
)


@app.command()
def upgrade(
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a database that does not answer yet.")] = 0,
) -> None:
    """Bring the schema up to date by running the missing migrations. Several processes may call this at once; one of
    them does the work.

    Example: `a3t db upgrade --wait 60`
    """
    settings = OrchestratorSettings()
    store = Store(settings.database)
    patient = retry(
        retry=retry_if_exception_type(DatabaseAwayError), stop=stop_after_delay(wait), wait=wait_fixed(2), reraise=True
    )
    patient(store.upgrade)()
    console.print(f"{_shown(settings)} has schema {store.revision()}.")


@app.command()
def current(as_json: JsonOption = False) -> None:
    """Show the address of the database and the revision of its schema."""
    settings = OrchestratorSettings()
    revision = Store(settings.database).revision()
    if as_json:
        emit_json({"database": _shown(settings), "revision": revision})
    else:
        console.print(f"{_shown(settings)} has schema {revision or 'none: run `a3t db upgrade`'}.")


def _shown(settings: OrchestratorSettings) -> str:
    return make_url(settings.database).render_as_string(hide_password=True)
