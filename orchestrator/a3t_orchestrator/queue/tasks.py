"""The tasks. Each may be delivered twice, or killed at any moment, without harm: it claims what it does."""

from __future__ import annotations

import os
import socket
import threading
from functools import cache
from typing import Any

from celery.signals import worker_shutting_down

from a3t_contracts.logging import get_logger

from ..episodes import run_chunk
from ..rounds.training import start_training
from ..settings import OrchestratorSettings
from ..store import Store
from .app import app
from .running import run_cancellable, stop_running

__all__ = ["annotate_episodes", "run_episodes", "train_round"]

log = get_logger(__name__)


@app.task(name="a3t.run_episodes")  # type: ignore[untyped-decorator]
def run_episodes(run: str, ids: list[str]) -> None:
    """Run the episodes of a chunk that nobody has run yet."""
    _chunk(run, ids, annotate=False)


@app.task(name="a3t.annotate_episodes")  # type: ignore[untyped-decorator]
def annotate_episodes(run: str, ids: list[str]) -> None:
    """Write the reasons of finished episodes that have none yet."""
    _chunk(run, ids, annotate=True)


@app.task(name="a3t.train_round")  # type: ignore[untyped-decorator]
def train_round(run: str, number: int) -> None:
    """Select a round's training set, hand it to the trainer, and note the job."""
    store, settings = _parts()
    run_cancellable(start_training(store, settings, run, number))


@worker_shutting_down.connect  # type: ignore[untyped-decorator]
def _on_shutdown(**_: Any) -> None:
    stop_running()


def _chunk(run: str, ids: list[str], *, annotate: bool) -> None:
    store, settings = _parts()
    worker = f"{socket.gethostname()}/{os.getpid()}/{threading.get_ident()}"
    report = run_cancellable(run_chunk(store, settings, run, ids, worker, annotate=annotate))
    if report is None:
        log.info("chunk.given_back", run=run, items=len(ids))
    else:
        log.info("chunk.finished", run=run, done=report.done, failed=report.failed, skipped=report.skipped)


@cache
def _parts() -> tuple[Store, OrchestratorSettings]:
    settings = OrchestratorSettings()
    return Store(settings.database), settings
