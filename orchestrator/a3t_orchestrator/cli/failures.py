"""`a3t failures`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from sqlalchemy.orm import Session

from a3t_contracts.cli import JsonOption, console, emit_json
from a3t_contracts.clients import OrchestratorClient
from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.schemas import Failure
from a3t_contracts.tables import print_table

from ..store import count_failures, drop_failure, list_failures, retry_failure
from .common import settings_and_store
from .service import by_service

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False)

RunOption = Annotated[
    str | None, typer.Option("--run", help="All failures of this run, in place of ids.", show_default=False)
]
Ids = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of failures, as `a3t failures list` shows them; or use --run.", show_default=False),
]
_ALL = 1_000_000


@app.callback()
def failures() -> None:
    """List, retry or drop failures: episodes that were given up after several attempts."""


@app.command("list")
def show(
    run: Annotated[
        str | None, typer.Argument(help="Only failures of this run; default: of all runs.", show_default=False)
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=100_000, help="Largest number of failures to list, the newest first.")
    ] = 50,
    as_json: JsonOption = False,
) -> None:
    """List episodes that were given up: task, phase, number of attempts, and the last error."""
    page = by_service(lambda client: client.failures(run, min(limit, 1000)))
    if page is None:
        _, store = settings_and_store()
        with store.session() as session:
            found, total = list_failures(session, run, limit), count_failures(session, run)
    else:
        found, total = page.failures, page.total
    if as_json:
        emit_json([failure.model_dump(mode="json") for failure in found])
        return
    if not found:
        console.print("No episode was given up.")
        return
    heads = ("id", "run", "round", "phase", "task", "begun", "reason")
    print_table(heads, [_row(failure) for failure in found])
    if total > len(found):
        console.print(f"{total - len(found)} more; --limit shows them.", highlight=False)


@app.command()
def retry(ids: Ids = None, run: RunOption = None) -> None:
    """Put episodes that were given up back on the work list of their run, with their number of attempts reset.

    Example: `a3t failures retry --run demo-1`
    """
    _each(ids, run, retry_failure, OrchestratorClient.retry_failure, "tried again")


@app.command()
def drop(ids: Ids = None, run: RunOption = None) -> None:
    """Drop episodes that were given up: they are no longer listed, counted or tried again."""
    _each(ids, run, drop_failure, OrchestratorClient.drop_failure, "dropped")


def _each(
    ids: list[str] | None,
    run: str | None,
    change: Callable[[Session, str], Failure],
    ask: Callable[[OrchestratorClient, str], Awaitable[Failure]],
    done: str,
) -> None:
    if bool(ids) == (run is not None):
        raise InvalidInputError("Name either episodes or a run.", hint="`a3t failures list` shows their ids.")
    refused: A3TError | None = None
    chosen = ids or [failure.id for failure in _of_run(run)]
    for item in chosen:
        try:
            if by_service(lambda client, item=item: ask(client, item)) is None:  # type: ignore[misc]
                _, store = settings_and_store()
                with store.session() as session:
                    change(session, item)
        except A3TError as error:  # the remaining failures may still be changed
            refused = error
            chosen = [other for other in chosen if other != item]
            console.print(f"{item}: {error}", style="yellow", highlight=False, soft_wrap=True)
    console.print(f"{len(chosen)} episodes {done}.", highlight=False)
    if refused is not None and not chosen:
        raise refused


def _of_run(run: str | None) -> list[Failure]:
    page = by_service(lambda client: client.failures(run, 1000))
    if page is not None:
        return page.failures
    _, store = settings_and_store()
    with store.session() as session:
        return list_failures(session, run, _ALL)


def _row(failure: Failure) -> list[str]:
    return [
        failure.id,
        failure.run,
        str(failure.round),
        failure.phase,
        failure.task_id,
        str(failure.attempts),
        failure.reason,
    ]
