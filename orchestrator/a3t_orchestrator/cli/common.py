"""Helpers that several commands of `a3t` use."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from a3t_contracts.logging import configure_logging

from ..settings import OrchestratorSettings
from ..store import Store

__all__ = ["open_store", "quiet_logs", "run_async", "settings_and_store"]

Result = TypeVar("Result")


def run_async(work: Coroutine[Any, Any, Result]) -> Result:
    """Run to the end; SIGINT, SIGTERM and SIGHUP cancel it, so that what it started is stopped, and exit with 130."""

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
    """A second Ctrl-C does not disturb the stopping that the first one began."""
    if task is not None and not task.cancelling():
        task.cancel()


def open_store(settings: OrchestratorSettings) -> Store:
    """The database, its schema brought up to date where it is the embedded one."""
    store = Store(settings.database)
    if settings.database_url is None:
        store.upgrade()
    else:
        store.require_current()
    return store


def settings_and_store() -> tuple[OrchestratorSettings, Store]:
    """Both, from the environment."""
    settings = OrchestratorSettings()
    return settings, open_store(settings)


def quiet_logs(settings: OrchestratorSettings) -> None:
    """Keep a terminal for what the command shows; warnings still come through."""
    level = "WARNING" if settings.log_level == "INFO" else settings.log_level
    configure_logging("a3t", level, settings.log_json)
