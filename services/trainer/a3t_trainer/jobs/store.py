"""The state of every job, in memory and on disk: `<root>/<id>/job.json` and `events.jsonl`."""

from __future__ import annotations

import asyncio
import hashlib
import time
from functools import partial
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from a3t_contracts.errors import ConflictError, NotFoundError, Problem
from a3t_contracts.files import write_atomically
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import (
    VALID_TRANSITIONS,
    FineTuningJob,
    FineTuningJobCreate,
    JobEvent,
    JobStatus,
    Origin,
    Progress,
)
from a3t_contracts.service import Lane

from ..faults import telling_full_disk
from .eventlog import EventLog

__all__ = ["JobStore"]

Level = Literal["info", "warn", "error"]

log = get_logger(__name__)


class JobStore:
    """All jobs, in memory and on disk. Used from one event loop; disk access happens in a thread, one change at a time.

    A change of status is written to disk before it becomes visible. If the disk is full, the failed write is logged and
    repeated with the next change, so that the service keeps running. A job that cannot be read, because another release
    wrote it, is logged and left unchanged.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True, exist_ok=True)
        self._jobs: dict[str, FineTuningJob] = {}
        self._events: dict[str, EventLog] = {}
        self._changed = asyncio.Event()
        self._disk, self._moving = Lane("jobs", 1), asyncio.Lock()
        for path in sorted(root.glob("*/job.json")):
            try:
                job = FineTuningJob.model_validate_json(path.read_text())
            except ValidationError as error:
                log.error("job.unreadable", path=str(path), error=str(error), hint="Start the release that wrote it.")
                continue
            self._jobs[job.id] = job
        for job in self.all():
            if job.status == JobStatus.running:
                self._bring_back(job)

    def folder(self, job_id: str) -> Path:
        """The job's folder, which has its request, state, events and checkpoints."""
        return self.root / job_id

    async def create(self, request: FineTuningJobCreate, origin: Origin | None = None) -> FineTuningJob:
        """Create a job, or return the job of the same request. `origin`: the run that asks for it.

        A version has one job: raises ConflictError for another request while the version's job is open or has
        succeeded. After a failed or cancelled job the request creates a new attempt.
        """
        async with self._moving:
            known = self.for_version(request.version)
            if known is not None and known.request == request:
                return known
            if known is not None:
                raise ConflictError(
                    f"Adapter version {request.version!r} belongs to job {known.id}, which has another request.",
                    hint="Versions are immutable; choose another name.",
                )
            attempt = sum(j.request.version == request.version for j in self._jobs.values())
            job = FineTuningJob(
                id=_job_id(request, attempt),
                status=JobStatus.queued,
                created_at=int(time.time()),
                request=request,
                origin=origin,
            )
            with telling_full_disk():
                await self._disk(partial(self._write, job))
            self._jobs[job.id] = job
        await self.say(job.id, f"Job for adapter version {request.version} is queued.")
        return job

    def for_version(self, version: str) -> FineTuningJob | None:
        """The open or successful job of a version; failed and cancelled jobs do not count."""
        jobs = (j for j in self._jobs.values() if j.request.version == version and not j.status.unsuccessful)
        return next(jobs, None)

    def get(self, job_id: str) -> FineTuningJob:
        """The job with this id. Raises NotFoundError for an unknown one."""
        if job_id not in self._jobs:
            raise NotFoundError(
                f"There is no fine-tuning job {job_id!r}.", hint="`GET /v1/fine_tuning/jobs` lists them."
            )
        return self._jobs[job_id]

    def all(self) -> list[FineTuningJob]:
        """All jobs, newest first."""
        return sorted(self._jobs.values(), key=lambda j: (-j.created_at, j.id))

    def queued(self) -> list[FineTuningJob]:
        """The waiting jobs, in the order of their creation."""
        waiting = [j for j in self._jobs.values() if j.status == JobStatus.queued]
        return sorted(waiting, key=lambda j: (j.created_at, j.id))

    async def move(self, job_id: str, status: JobStatus, **changes: Any) -> FineTuningJob:
        """Change a job's status. Raises ConflictError for a transition that is not allowed."""
        async with self._moving:
            job = self.get(job_id)
            if status not in VALID_TRANSITIONS[job.status]:
                raise ConflictError(f"Job {job_id} is {job.status}; it cannot become {status}.")
            if status.ended:
                changes["finished_at"] = int(time.time())
            job = job.model_copy(update={"status": status, **changes})
            await self._disk(partial(self._save, job))
            self._jobs[job_id] = job
        self._notify()
        return job

    async def spoil(self, job_id: str, problem: Problem) -> None:
        """Mark a succeeded job as failed, because its version was found damaged. The next request for the version is
        a new attempt.
        """
        async with self._moving:
            error = problem.model_dump(mode="json", exclude_none=True)
            job = self.get(job_id).model_copy(update={"status": JobStatus.failed, "error": error})
            await self._disk(partial(self._save, job))
            self._jobs[job_id] = job
        await self.say(job_id, problem.detail, "error")

    async def progress(self, job_id: str, progress: Progress) -> None:
        """Keep a running job's progress in memory; it is written to disk with the next change of status."""
        self._jobs[job_id] = self.get(job_id).model_copy(update={"progress": progress})
        data = progress.model_dump(mode="json", exclude_none=True)
        await self._tell(job_id, f"Step {progress.step}/{progress.total_steps}", "info", "metrics", data)

    async def say(self, job_id: str, message: str, level: Level = "info", data: Any = None) -> None:
        """Add an event with a message to a job."""
        await self._tell(job_id, message, level, "message", data)

    async def fail(self, job_id: str, problem: Problem) -> None:
        """End a job as failed; the problem document says why."""
        await self.say(job_id, problem.detail, "error", problem.model_dump(exclude_none=True))
        await self.move(job_id, JobStatus.failed, error=problem.model_dump(exclude_none=True))

    async def events(self, job_id: str, after: int = -1, limit: int = 500) -> tuple[list[JobEvent], bool]:
        """Events with `seq` above `after`, and whether there are more."""
        self.get(job_id)
        events = (await self._log(job_id)).events[max(after, -1) + 1 :]
        return events[:limit], len(events) > limit

    def finished(self, job_id: str) -> bool:
        """Whether the job has ended: succeeded, failed or was cancelled. Raises NotFoundError for an unknown id."""
        return self.get(job_id).status.ended

    async def changed(self) -> None:
        """Wait until any job changes."""
        await self._changed.wait()

    async def _tell(
        self, job_id: str, message: str, level: Level, kind: Literal["message", "metrics"], data: Any
    ) -> None:
        events = await self._log(job_id)
        event = events.add(message, level, kind, data)
        self._notify()
        await self._disk(partial(events.save, event))

    async def _log(self, job_id: str) -> EventLog:
        if job_id not in self._events:
            read = await self._disk(partial(self._read_log, job_id))
            self._events.setdefault(job_id, read)
        return self._events[job_id]

    def _read_log(self, job_id: str) -> EventLog:
        return EventLog(self.folder(job_id) / "events.jsonl", job_id)

    def _bring_back(self, job: FineTuningJob) -> None:
        """Queue a job again that the previous process of the service left running."""
        self._jobs[job.id] = job.model_copy(update={"status": JobStatus.queued})
        self._save(self._jobs[job.id])
        events = self._events[job.id] = self._read_log(job.id)
        told = "The service was restarted; the job continues from its last checkpoint."
        events.save(events.add(told, "warn", "message", None))

    def _save(self, job: FineTuningJob) -> None:
        try:
            self._write(job)
        except OSError as error:
            log.error("job.not_saved", job=job.id, status=str(job.status), error=str(error))

    def _write(self, job: FineTuningJob) -> None:
        self.folder(job.id).mkdir(parents=True, exist_ok=True)
        write_atomically(self.folder(job.id) / "job.json", job.model_dump_json(indent=2))

    def _notify(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _job_id(request: FineTuningJobCreate, attempt: int) -> str:
    """The id of a job: `ftjob-` and 24 hex digits of a SHA-256 over the request and the number of earlier jobs for
    its version.
    """
    key = f"{attempt}\x1f{request.model_dump_json(exclude={'trackers'})}"
    return f"ftjob-{hashlib.sha256(key.encode()).hexdigest()[:24]}"
