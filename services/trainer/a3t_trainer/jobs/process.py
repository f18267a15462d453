"""The child process that runs a job."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from asyncio import StreamReader, StreamWriter
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

from a3t_contracts.schemas.job import FineTuningJob

from ..settings import TrainerSettings

__all__ = ["Child", "job_content"]

_LINE_LIMIT = 16 * 2**20


class Child:
    """A process of `a3t_trainer.worker`, in a process group of its own.

    Args:
        process: started by `start`.
        settings: of the service.
    """

    def __init__(self, process: Process, settings: TrainerSettings) -> None:
        self.process, self.settings = process, settings

    @classmethod
    async def start(cls, settings: TrainerSettings, device: str | None, job_file: Path | None = None) -> Child:
        """Start a child that waits for its job on stdin, or, given a file, several under accelerate."""
        command = [sys.executable, "-m", "a3t_trainer.worker"]
        if job_file is not None:
            config = str(settings.trainer_accelerate_config)
            launch = ["accelerate.commands.launch", "--config_file", config, "-m", "a3t_trainer.worker", str(job_file)]
            command = [sys.executable, "-m", *launch]
        environment = {"TOKENIZERS_PARALLELISM": "false"} | os.environ
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        log_path = settings.trainer_home / "worker.log"
        with log_path.open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=PIPE,
                stdout=PIPE,
                stderr=log,
                env=environment,
                start_new_session=True,
                limit=_LINE_LIMIT,
            )
        return cls(process, settings)

    @property
    def alive(self) -> bool:
        return self.process.returncode is None

    async def give(self, content: dict[str, Any]) -> None:
        """Hand the job over."""
        stdin = cast(StreamWriter, self.process.stdin)
        stdin.write((json.dumps(content) + "\n").encode())
        with contextlib.suppress(ConnectionError):  # a child that died is found by its exit code
            await stdin.drain()

    async def lines(self) -> AsyncIterator[dict[str, Any]]:
        """The child's news until it ends."""
        stdout = cast(StreamReader, self.process.stdout)
        while line := await stdout.readline():
            if line.startswith(b"{") and line.endswith(b"}\n"):
                yield json.loads(line)

    async def stop(self) -> None:
        """End it: ask, wait `trainer_cancel_seconds`, kill the whole group."""
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(self.settings.trainer_cancel_seconds):
                await self.process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.process.wait()

    def _signal(self, number: int) -> None:
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)


def job_content(job: FineTuningJob, training_file: Path, folder: Path, settings: TrainerSettings) -> dict[str, Any]:
    """What `a3t_trainer.worker` reads."""
    return {
        "id": job.id,
        "request": job.request.model_dump(mode="json"),
        "training_file": str(training_file),
        "folder": str(folder),
        "registry": settings.registry_url,
        "trackers": list(settings.trainer_trackers),
    }
