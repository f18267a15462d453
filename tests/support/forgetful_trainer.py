"""A trainer service that can lose its jobs: the HTTP contract of files and jobs without any training."""

from __future__ import annotations

import hashlib
import time

from fastapi import APIRouter, FastAPI, HTTPException, Request

from a3t_contracts.schemas import FileObject, FineTuningJob, FineTuningJobCreate, JobStatus
from a3t_contracts.service import create_service
from a3t_contracts.settings import ServiceSettings


class ForgetfulTrainer:
    """Every job has succeeded by the time it is asked for, unless it was lost; `losses` jobs are lost at first."""

    def __init__(self, losses: int = 0) -> None:
        self.losses = losses
        self.uploads: list[bytes] = []
        self.jobs: dict[str, FineTuningJob] = {}

    def app(self, token: str) -> FastAPI:
        router = APIRouter()

        @router.post("/v1/files")
        async def upload(request: Request, filename: str) -> FileObject:
            content = await request.body()
            self.uploads.append(content)
            digest = hashlib.sha256(content).hexdigest()
            now = int(time.time())
            return FileObject(id="file-1", bytes=len(content), created_at=now, filename=filename, sha256=digest)

        @router.post("/v1/fine_tuning/jobs")
        async def create(request: FineTuningJobCreate) -> FineTuningJob:
            job = FineTuningJob(id="job-1", status=JobStatus.queued, created_at=int(time.time()), request=request)
            if self.losses:
                self.losses -= 1
            else:
                done = {"status": JobStatus.succeeded, "fine_tuned_model": request.version}
                self.jobs[job.id] = job.model_copy(update=done)
            return job

        @router.get("/v1/fine_tuning/jobs/{job_id}")
        async def read(job_id: str) -> FineTuningJob:
            if job_id not in self.jobs:
                raise HTTPException(404, "no such job")
            return self.jobs[job_id]

        return create_service("trainer", ServiceSettings.model_validate({"token": token}), [router])
