"""Starts the training process from the service, gives it jobs, reads its messages and stops it."""

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

from a3t_contracts.schemas import FineTuningJob

from ..settings import TrainerSettings

__all__ = ["TrainingProcess", "job_content"]

_LINE_LIMIT = 16 * 2**20


class TrainingProcess:
    """A process of `a3t_trainer.training_process` in a separate process group. It imports torch before it gets a job.

    Args:
        process: the process that `start` made.
        settings: settings of the service.
        forks: whether the process runs several jobs, each in a forked child; otherwise it ends with its job.
    """

    def __init__(self, process: Process, settings: TrainerSettings, *, forks: bool) -> None:
        self.process, self.settings, self.forks = process, settings, forks
        self.began = False
        """Whether the last given job has begun, that is, has sent `started`."""
        self._has_job = False
        self._job_pid: int | None = None

    @classmethod
    async def start(
        cls, settings: TrainerSettings, device: str | None, job_file: Path | None = None
    ) -> TrainingProcess:
        """Start a process that waits for jobs on stdin, or, with a job's file, several processes under accelerate."""
        forks = device is None and job_file is None
        module = [sys.executable, "-m", "a3t_trainer.training_process"]
        command = [*module, "--fork"] if forks else module
        if job_file is not None:
            config = str(settings.trainer_accelerate_config)
            launch = [
                "accelerate.commands.launch",
                "--config_file",
                config,
                "-m",
                "a3t_trainer.training_process",
                str(job_file),
            ]
            command = [sys.executable, "-m", *launch]
        # Waiting threads go to sleep soon: spinning threads slow each other down when a core has other work, too.
        environment = {"TOKENIZERS_PARALLELISM": "false", "GOMP_SPINCOUNT": "1000", **os.environ}
        if device is not None:
            environment["CUDA_VISIBLE_DEVICES"] = device
        log_path = settings.trainer_home / "training.log"
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
        started = cls(process, settings, forks=forks)
        started._has_job = job_file is not None
        return started

    @property
    def usable(self) -> bool:
        """Whether the process runs and has no job."""
        return self.process.returncode is None and not self._has_job

    async def give(self, content: dict[str, Any]) -> None:
        """Send a job to the process."""
        self._has_job, self.began = True, False
        stdin = cast(StreamWriter, self.process.stdin)
        stdin.write((json.dumps(content) + "\n").encode())
        with contextlib.suppress(ConnectionError):  # the exit code will show that the process died
            await stdin.drain()

    async def news(self) -> AsyncIterator[dict[str, Any]]:
        """The messages of the job until it ends; the last one is `exited`."""
        stdout = cast(StreamReader, self.process.stdout)
        while line := await stdout.readline():
            if not (line.startswith(b"{") and line.endswith(b"}\n")):
                continue
            content = json.loads(line)
            if "started" in content:
                self._job_pid, self.began = content["started"], True
                continue
            yield content
            if "exited" in content:
                self._has_job, self._job_pid = False, None
                return
        yield {"exited": await self.process.wait()}

    async def stop_job(self) -> None:
        """End the running job: send SIGTERM, wait `trainer_cancel_seconds`, then kill it."""
        self._signal_job(signal.SIGTERM)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.trainer_cancel_seconds
        while self._busy() and loop.time() < deadline:
            await asyncio.sleep(0.02)
        self._signal_job(signal.SIGKILL)

    async def close(self) -> None:
        """End the process and all processes that it started."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()

    def _busy(self) -> bool:
        return self.process.returncode is None and self._has_job

    def _signal_job(self, number: int) -> None:
        """Send a signal to the forked job, or to the whole group. If the job has ended, nothing is sent."""
        if not self._has_job:
            return
        with contextlib.suppress(ProcessLookupError):
            if self.forks and self._job_pid is not None:
                os.kill(self._job_pid, number)
            elif self.process.returncode is None:
                os.killpg(self.process.pid, number)


def job_content(job: FineTuningJob, training_file: Path, folder: Path, settings: TrainerSettings) -> dict[str, Any]:
    """The description of a job that `a3t_trainer.training_process` reads."""
    return {
        "id": job.id,
        "request": job.request.model_dump(mode="json"),
        "training_file": str(training_file),
        "folder": str(folder),
        "registry": settings.registry_url,
        "trackers": settings.trackers_of(job.request)[0],
        "report_seconds": settings.trainer_report_seconds,
    }
