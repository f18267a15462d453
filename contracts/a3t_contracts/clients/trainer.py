"""Client of the trainer service: files, fine-tuning jobs, adapter versions."""

from __future__ import annotations

from pydantic import TypeAdapter

from ..schemas.adapter import AdapterManifest
from ..schemas.job import FileObject, FineTuningJob, FineTuningJobCreate, JobEventPage, JobPage
from .base import ServiceClient

__all__ = ["TrainerClient"]

_MANIFESTS = TypeAdapter(list[AdapterManifest])


class TrainerClient(ServiceClient):
    service = "trainer"

    async def upload(self, content: bytes, filename: str) -> FileObject:
        """Store a JSONL file of trajectories; the same content is stored once (its id is its hash)."""
        reply = await self._send(
            "POST", "/v1/files", content=content, params={"filename": filename},
            headers={"Content-Type": "application/jsonl"}, idempotent=True,
        )  # fmt: skip
        return FileObject.model_validate_json(reply.content)

    async def create_job(self, request: FineTuningJobCreate) -> FineTuningJob:
        """Queue a job. One job a version: the same request again returns the job that exists."""
        return await self._call(FineTuningJob, "POST", "/v1/fine_tuning/jobs", request, idempotent=True)

    async def job(self, job_id: str) -> FineTuningJob:
        return await self._call(FineTuningJob, "GET", f"/v1/fine_tuning/jobs/{job_id}")

    async def jobs(self, limit: int = 100) -> list[FineTuningJob]:
        return (await self._call(JobPage, "GET", "/v1/fine_tuning/jobs", params={"limit": limit})).data

    async def cancel(self, job_id: str) -> FineTuningJob:
        return await self._call(FineTuningJob, "POST", f"/v1/fine_tuning/jobs/{job_id}/cancel", idempotent=True)

    async def events(self, job_id: str, after: int = -1, limit: int = 500) -> JobEventPage:
        """Events with `seq` above `after`."""
        path = f"/v1/fine_tuning/jobs/{job_id}/events"
        return await self._call(JobEventPage, "GET", path, params={"after": after, "limit": limit})

    async def adapters(self) -> list[AdapterManifest]:
        reply = await self._send("GET", "/v1/adapters")
        return _MANIFESTS.validate_json(reply.content)

    async def adapter(self, version: str) -> AdapterManifest:
        return await self._call(AdapterManifest, "GET", f"/v1/adapters/{version}")
