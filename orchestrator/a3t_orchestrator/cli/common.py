"""Helpers that several commands of `a3t` use."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from a3t_contracts.logging import configure_logging
from a3t_contracts.tracing import start_tracing, trace_queue

from ..settings import OrchestratorSettings
from ..store import Store

__all__ = [
    "FastOption",
    "RecipeArgument",
    "SetOption",
    "open_store",
    "quiet_logs",
    "run_async",
    "settings_and_store",
]

RecipeArgument = Annotated[
    Path, typer.Argument(help="YAML file of the recipe, e.g. configs/demo.yaml.", show_default=False)
]
FastOption = Annotated[
    bool, typer.Option("--fast", help="Apply the recipe's `fast` section, its settings for a short trial.")
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a key of the recipe, e.g. --set compose.samples=4; may be repeated."),
]

Result = TypeVar("Result")


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine. SIGINT, SIGTERM and SIGHUP cancel it, so that it can stop what it started; the process then
    exits with code 130."""

    async def guarded() -> Result:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            loop.add_signal_handler(number, _cancel_once, task)
        return await work

    with suppress(asyncio.CancelledError):
        return asyncio.run(guarded())
    raise SystemExit(130)


def _cancel_once(task: asyncio.Task[Any] | None) -> None:
    """Cancel the task at the first signal; later signals do not interrupt its clean-up."""
    if task is not None and not task.cancelling():
        task.cancel()


def open_store(settings: OrchestratorSettings) -> Store:
    """Open the database. The schema of the embedded database (SQLite in A3T_HOME) is brought up to date first."""
    store = Store(settings.database)
    if settings.database_url is None:
        store.upgrade()
    else:
        store.require_current()
    return store


def settings_and_store() -> tuple[OrchestratorSettings, Store]:
    """Return the settings from the environment, and the database that they name."""
    settings = OrchestratorSettings()
    return settings, open_store(settings)


def quiet_logs(settings: OrchestratorSettings) -> None:
    """Log only warnings, so that the terminal shows the output of the command. Start tracing, if the settings say
    so."""
    level = "WARNING" if settings.log_level == "INFO" else settings.log_level
    configure_logging("a3t", level, settings.log_json)
    start_tracing("cli", settings)
    trace_queue()
