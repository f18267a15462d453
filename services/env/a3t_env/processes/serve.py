"""Starts the server processes under uvicorn's supervisor, which replaces processes that end."""

from __future__ import annotations

import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO

import uvicorn
from fastapi import FastAPI
from prometheus_client.multiprocess import mark_process_dead

from a3t_contracts.collector import freeze_loaded
from a3t_contracts.errors import ConflictError
from a3t_contracts.logging import configure_logging
from a3t_contracts.service import server_options

from ..settings import EnvSettings

__all__ = ["claim_slot", "process_app", "serve_processes"]

_FOLDER = "A3T_ENV_PROCESSES_FOLDER"
_claims: list[IO[str]] = []
"""Lock files of the slots that this process holds. They stay open until the process ends."""


def serve_processes(settings: EnvSettings) -> None:
    """Serve with `env_workers` processes on one listening socket until SIGINT or SIGTERM."""
    configure_logging("env", settings.log_level, settings.log_json)
    with tempfile.TemporaryDirectory(prefix="a3t-env-") as folder:
        os.environ[_FOLDER] = folder
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        uvicorn.run(
            "a3t_env.processes:process_app",
            factory=True,
            workers=settings.env_workers,
            **server_options(settings),
        )


def process_app() -> FastAPI:
    """The app of one server process."""
    from ..app import create_app

    settings = EnvSettings()
    configure_logging("env", settings.log_level, settings.log_json)
    folder = Path(os.environ[_FOLDER])
    app = create_app(settings, slot=claim_slot(folder, settings.env_workers), folder=folder)
    freeze_loaded()
    return app


def claim_slot(folder: Path, processes: int) -> int:
    """Take the lowest slot number that no running process holds. Its lock is released when this process ends."""
    for slot in range(processes):
        lock = (folder / f"{slot}.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            continue
        _mark_last_holder_dead(lock)
        _claims.append(lock)
        return slot
    raise ConflictError(f"All {processes} slots for server processes in {folder} are held.")


def _mark_last_holder_dead(lock: IO[str]) -> None:
    """Remove the gauges of the slot's previous process from the metrics, and write this process's id into the lock
    file.
    """
    lock.seek(0)
    pid = lock.read().strip()
    if pid and "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        mark_process_dead(int(pid))  # type: ignore[no-untyped-call]
    lock.seek(0)
    lock.truncate()
    lock.write(str(os.getpid()))
    lock.flush()
