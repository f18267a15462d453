"""Runs queued jobs in child processes, one for each slot. If the process of a job dies, the job is queued again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path
from typing import Any

from a3t_contracts.errors import A3TError, ConflictError, Problem
from a3t_contracts.files import write_atomically
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import FineTuningJob, JobStatus, Progress
from a3t_contracts.tracing import Span, bound_ids, span

from ..faults import problem_of
from ..files import FileStore
from ..registry.hub import push
from ..registry.publish import published_by
from ..settings import TrainerSettings
from .process import TrainingProcess, job_content
from .store import JobStore

__all__ = ["Supervisor", "devices"]

log = get_logger(__name__)


def devices(settings: TrainerSettings) -> list[str | None]:
    """One entry per slot: the GPU of its jobs as a value of CUDA_VISIBLE_DEVICES, or None for all devices."""
    if settings.trainer_accelerate_config is not None:
        return [None]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = sorted(p.name.removeprefix("nvidia") for p in Path("/dev").glob("nvidia[0-9]*"))
    gpus = found if visible is None else [v for v in visible.split(",") if v]
    count = settings.trainer_slots or len(gpus) or 1
    return [gpus[i % len(gpus)] if gpus else None for i in range(count)]


class Supervisor:
    """Assigns queued jobs to slots. `run` is active as long as the service runs."""

    def __init__(self, store: JobStore, files: FileStore, settings: TrainerSettings) -> None:
        self.store, self.files, self.settings = store, files, settings
        self._running: dict[str, TrainingProcess] = {}
        self._taken: set[str] = set()
        self._cancelled: set[str] = set()
        self._crashes: dict[str, tuple[int, int]] = {}

    async def run(self) -> None:
        """Run jobs until cancelled. Child processes are then ended, and their jobs are resumed at the next start."""
        async with asyncio.TaskGroup() as group:
            for device in devices(self.settings):
                group.create_task(self._slot(device))

    async def cancel(self, job_id: str) -> FineTuningJob:
        """Cancel a queued or running job. Raises ConflictError for a job that has ended in another way."""
        job = self.store.get(job_id)
        if job.status == JobStatus.cancelled:
            return job
        if self.store.finished(job_id):
            raise ConflictError(f"Job {job_id} has {job.status} already; it cannot be cancelled.")
        self._cancelled.add(job_id)
        process = self._running.get(job_id)
        if process is not None:
            await process.stop_job()
        if job_id not in self._taken and not self.store.finished(job_id):
            self._taken.add(job_id)  # so that no slot begins it in the meantime
            try:
                await self._end_cancelled(job_id)
            finally:
                self._taken.discard(job_id)
        while not self.store.finished(job_id):
            await self.store.changed()
        return self.store.get(job_id)

    async def _slot(self, device: str | None) -> None:
        process: TrainingProcess | None = None
        try:
            while True:
                process = await self._warm(process, device)
                job = await self._next()
                self._taken.add(job.id)
                try:
                    with bound_ids(**(job.origin.ids if job.origin is not None else {})), _job_span(job) as here:
                        process = await self._attempt(job, process, device)
                        _tell(here, self.store.get(job.id))
                except Exception as error:  # the error of one job must not end the slot
                    log.exception("job.broken", job=job.id)
                    if not self.store.finished(job.id):
                        await self.store.fail(job.id, problem_of(error))
                finally:
                    self._taken.discard(job.id)
        finally:
            if process is not None:
                await asyncio.shield(process.close())

    async def _warm(self, process: TrainingProcess | None, device: str | None) -> TrainingProcess | None:
        """Start a process that imports torch while no job waits; None if accelerate starts the processes."""
        if process is not None and process.usable:
            return process
        if not self.settings.trainer_keep_warm or self.settings.trainer_accelerate_config is not None:
            return None
        try:
            return await TrainingProcess.start(self.settings, device)
        except OSError as error:  # the next job that needs a process will report the error
            log.error("process.not_started", error=str(error))
            return None

    async def _next(self) -> FineTuningJob:
        while True:
            for job in self.store.queued():
                if job.id not in self._taken:
                    return job
            await self.store.changed()

    async def _attempt(
        self, job: FineTuningJob, process: TrainingProcess | None, device: str | None
    ) -> TrainingProcess | None:
        """Run a job in a process and handle its result. Returns the process if it can run another job."""
        job = await self.store.move(job.id, JobStatus.running, attempts=job.attempts + 1)
        await self.store.say(job.id, f"Attempt {job.attempts} started.")
        waited = process is not None and process.usable
        try:
            process = await self._hand_over(job, process, device)
            outcome = await self._work(job.id, process)
            if waited and not process.began and job.id not in self._cancelled:
                log.warning(
                    "process.was_dead", job=job.id
                )  # it died before it had a job, so this does not count as an attempt
                process = await self._hand_over(job, None, device)
                outcome = await self._work(job.id, process)
        except (A3TError, OSError) as error:
            await self.store.fail(job.id, problem_of(error))
            return process
        await self._conclude(job.id, outcome)
        return process

    async def _work(self, job_id: str, process: TrainingProcess) -> dict[str, Any]:
        """Handle the messages and the end of a job that a process has been given."""
        self._running[job_id] = process
        try:
            if job_id in self._cancelled:
                await process.stop_job()
            return await self._follow(job_id, process)
        except BaseException:
            await asyncio.shield(process.close())
            raise
        finally:
            del self._running[job_id]

    async def _hand_over(
        self, job: FineTuningJob, process: TrainingProcess | None, device: str | None
    ) -> TrainingProcess:
        content, path = await asyncio.to_thread(self._prepare, job)
        for name in self.settings.trackers_of(job.request)[1]:
            await self.store.say(job.id, f"The tracker {name} is not installed and gets no metrics.", "warn")
        if path is not None:
            return await TrainingProcess.start(self.settings, device, path)
        chosen = (
            process if process is not None and process.usable else await TrainingProcess.start(self.settings, device)
        )
        await chosen.give(content)
        return chosen

    def _prepare(self, job: FineTuningJob) -> tuple[dict[str, Any], Path | None]:
        """Return the description of the job for its process, and the file that contains it if accelerate starts the
        processes.
        """
        folder = self.store.folder(job.id) / "work"
        folder.mkdir(exist_ok=True)
        content = job_content(job, self.files.path(job.request.training_file), folder, self.settings)
        if self.settings.trainer_accelerate_config is None:
            return content, None
        write_atomically(folder / "job.json", json.dumps(content))
        return content, folder / "job.json"

    async def _follow(self, job_id: str, process: TrainingProcess) -> dict[str, Any]:
        """Record a job's messages; returns its result (`published` or `failed`, if there is one) and its exit code."""
        outcome: dict[str, Any] = {}
        async for line in process.news():
            if "event" in line:
                event = line["event"]
                await self.store.say(job_id, event["message"], event["level"], event["data"])
            elif "progress" in line:
                await self.store.progress(job_id, Progress.model_validate(line["progress"]))
            else:
                outcome |= line
        return outcome

    async def _conclude(self, job_id: str, outcome: dict[str, Any]) -> None:
        if "published" in outcome:
            await self._succeed(job_id)
        elif job_id in self._cancelled:
            await self._end_cancelled(job_id)
        elif "failed" in outcome:
            await self.store.fail(job_id, Problem.model_validate(outcome["failed"]))
        else:
            await self._bring_back(job_id, int(outcome["exited"]))

    async def _succeed(self, job_id: str) -> None:
        version = self.store.get(job_id).request.version
        await self.store.say(job_id, f"Adapter version {version} is published.")
        namespace = self.settings.trainer_hub_namespace
        if namespace:
            await self._push(job_id, version, namespace)
        await self.store.move(job_id, JobStatus.succeeded, fine_tuned_model=version)

    async def _push(self, job_id: str, version: str, namespace: str) -> None:
        private = self.settings.trainer_hub_private
        try:
            url = await asyncio.to_thread(
                push, self.settings.reader(), version, f"{namespace}/{version}", private=private
            )
            await self.store.say(job_id, f"Pushed to {url}.")
        except A3TError as error:
            await self.store.say(job_id, f"Not pushed to the Hub: {error}", "warn")

    async def _end_cancelled(self, job_id: str) -> None:
        """End a cancelled job: nothing was published, unless it succeeded a moment before."""
        self._cancelled.discard(job_id)
        version = self.store.get(job_id).request.version
        with contextlib.suppress(ConflictError):
            if await asyncio.to_thread(published_by, self.settings.registry_url, version, job_id) is not None:
                await self.store.move(job_id, JobStatus.succeeded, fine_tuned_model=version)
                return
        await self.store.say(job_id, "Cancelled.")
        await self.store.move(job_id, JobStatus.cancelled)

    async def _bring_back(self, job_id: str, returncode: int) -> None:
        """Queue a job whose process died. The job fails if its processes die again and again without a new
        checkpoint.
        """
        how = signal.Signals(-returncode).name if returncode < 0 else f"exit code {returncode}"
        step = await asyncio.to_thread(self._checkpoint_step, job_id)
        before, crashes = self._crashes.get(job_id, (-1, 0))
        crashes = crashes + 1 if step == before else 1
        self._crashes[job_id] = (step, crashes)
        if crashes >= self.settings.trainer_max_crashes:
            detail = (
                f"The training process died {crashes} times without a checkpoint after step {max(step, 0)} ({how})."
            )
            await self.store.fail(
                job_id, A3TError(detail, hint="Its output is in training.log in the trainer's folder.").problem()
            )
            return
        await self.store.say(
            job_id, f"The training process died ({how}); the job continues from its last checkpoint.", "warn"
        )
        await self.store.move(job_id, JobStatus.queued)

    def _checkpoint_step(self, job_id: str) -> int:
        bundles = (self.store.folder(job_id) / "work").glob("checkpoint-*")
        return max((int(b.name.rpartition("-")[2]) for b in bundles), default=-1)


def _job_span(job: FineTuningJob) -> contextlib.AbstractContextManager[Span]:
    """The span of one attempt at a job, a child of the span of the run that asked for it."""
    request = job.request
    attributes = {
        "gen_ai.request.model": request.model,
        "a3t.run": request.run,
        "a3t.round": request.round,
        "a3t.version": request.version,
        "a3t.job": job.id,
    }
    parent = job.origin.traceparent if job.origin is not None else None
    return span(f"fine_tune {request.version}", attributes, kind="server", parent=parent)


def _tell(here: Span, job: FineTuningJob) -> None:
    """Add the outcome of the attempt to the span."""
    progress = job.progress
    here.set({"a3t.status": job.status.value, "a3t.optimiser_steps": progress.step, "a3t.loss": progress.loss})
