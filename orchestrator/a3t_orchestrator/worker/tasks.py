"""The Celery tasks. A task may be delivered twice or killed at any time, so it first claims its work items."""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Coroutine
from functools import cache
from typing import Any, TypeVar

from celery import Task
from celery.signals import worker_shutting_down

from a3t_contracts.errors import A3TError
from a3t_contracts.logging import get_logger
from a3t_contracts.tracing import bound_ids

from ..queue import app
from ..settings import OrchestratorSettings
from ..store import Store
from .chunk import run_chunk

__all__ = ["annotate_episodes", "run_episodes", "store_and_settings"]

Result = TypeVar("Result")

log = get_logger(__name__)

_lock = threading.Lock()
_running: dict[asyncio.Task[Any], asyncio.AbstractEventLoop] = {}
_stopping = threading.Event()


@app.task(name="a3t.run_episodes", bind=True)  # type: ignore[untyped-decorator]
def run_episodes(self: Task, run: str, ids: list[str]) -> None:
    """Play the episodes of a chunk that have not been played yet."""
    with bound_ids(run=run, request_id=self.request.id):
        _chunk(run, ids, annotate=False)


@app.task(name="a3t.annotate_episodes", bind=True)  # type: ignore[untyped-decorator]
def annotate_episodes(self: Task, run: str, ids: list[str]) -> None:
    """Write reasons for the finished episodes of a chunk that have none yet."""
    with bound_ids(run=run, request_id=self.request.id):
        _chunk(run, ids, annotate=True)


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _stop_running(**_: Any) -> None:
    """Cancel the work of all threads of this process, and any work that would start: a worker that stops puts its work
    items back on the list and does not finish them."""
    _stopping.set()
    with _lock:
        for task, loop in _running.items():
            loop.call_soon_threadsafe(task.cancel)


def _chunk(run: str, ids: list[str], *, annotate: bool) -> None:
    store, settings = store_and_settings()
    worker = f"{socket.gethostname()}/{os.getpid()}/{threading.get_ident()}"
    try:
        report = asyncio.run(_cancellable(run_chunk(store, settings, run, ids, worker, annotate=annotate)))
    except A3TError as error:  # the work list still has the items, so the driver sends them again
        log.error("chunk.failed", items=len(ids), error=str(error))
        return
    if report is None:
        log.info("chunk.given_back", items=len(ids))
    else:
        log.info("chunk.finished", done=report.done, failed=report.failed, skipped=report.skipped)


async def _cancellable(work: Coroutine[Any, Any, Result]) -> Result | None:
    """Return the result of the work; None if the worker's stop cancelled it."""
    task = asyncio.ensure_future(work)
    with _lock:
        _running[task] = asyncio.get_running_loop()
    if _stopping.is_set():
        task.cancel()
    try:
        return await task
    except asyncio.CancelledError:
        if not task.cancelled():
            raise
        return None
    finally:
        with _lock:
            _running.pop(task, None)


@cache
def store_and_settings() -> tuple[Store, OrchestratorSettings]:
    """The database and the settings of this process, which all its chunks share."""
    settings = OrchestratorSettings()
    return Store(settings.database), settings
