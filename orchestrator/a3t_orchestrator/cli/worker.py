"""`a3t worker`."""

from __future__ import annotations

from typing import Annotated

import typer

from a3t_contracts.cli import console
from a3t_contracts.errors import UnavailableError

from ..settings import OrchestratorSettings

__all__ = ["app"]

app = typer.Typer(add_completion=False, help="Run a worker, which plays episodes.")


@app.command()
def worker(
    queues: Annotated[
        str | None,
        typer.Option(help="Queues to serve, separated by commas: rollout, annotation, evaluation; default: all."),
    ] = None,
    ping: Annotated[
        bool, typer.Option("--ping", help="Check whether this machine's worker answers, and exit.")
    ] = False,
) -> None:
    """Run a Celery worker, which plays the episodes of runs, until it is stopped. Unfinished episodes then go back to
    the work list.

    Example: `a3t worker`
    """
    if ping:
        _ping()
        return
    from ..worker.process import main

    main(["--queues", queues] if queues else [])


def _ping() -> None:
    import socket

    from ..queue import configure

    app_of_queue = configure(OrchestratorSettings())
    name = f"celery@{socket.gethostname()}"
    if not app_of_queue.control.inspect(destination=[name], timeout=5.0).ping():
        raise UnavailableError(f"No worker answers as {name}.", hint="Start one with `a3t worker`.")
    console.print(f"{name} answers.")
