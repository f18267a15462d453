"""Client of the trainer service: files, fine-tuning jobs, adapter versions."""

from __future__ import annotations

from collections.abc import AsyncIterator

from pydantic import TypeAdapter

from ..errors import UpstreamError
from ..schemas.adapter import AdapterManifest, AdapterPush, GarbageReport, LivePointer, PushResult, RollBack
from ..schemas.job import FileObject, FineTuningJob, FineTuningJobCreate, JobEvent, JobEventPage, JobPage
from .base import ServiceClient

__all__ = ["TrainerClient"]

_MANIFESTS = TypeAdapter(list[AdapterManifest])


class TrainerClient(ServiceClient):
    """Calls the trainer service: files, fine-tuning jobs and the adapter versions of the registry."""

    service = "trainer"

    async def upload(self, content: bytes, filename: str) -> FileObject:
        """Store a JSONL file of trajectories. The same content is stored once, because its id is its hash."""
        reply = await self._send(
            "POST",
            "/v1/files",
            content=content,
            params={"filename": filename},
            headers={"Content-Type": "application/jsonl"},
            idempotent=True,
        )
        return FileObject.model_validate_json(reply.content)

    async def create_job(self, request: FineTuningJobCreate) -> FineTuningJob:
        """Queue a fine-tuning job. A version has one job: the same request returns the same job."""
        return await self._call(FineTuningJob, "POST", "/v1/fine_tuning/jobs", request, idempotent=True)

    async def job(self, job_id: str) -> FineTuningJob:
        """Read a fine-tuning job with its status and progress. Raises NotFoundError for an unknown id."""
        return await self._call(FineTuningJob, "GET", f"/v1/fine_tuning/jobs/{job_id}")

    async def jobs(self, limit: int = 100) -> list[FineTuningJob]:
        """List at most `limit` fine-tuning jobs, the newest first."""
        return (await self._call(JobPage, "GET", "/v1/fine_tuning/jobs", params={"limit": limit})).data

    async def cancel(self, job_id: str) -> FineTuningJob:
        """Cancel a job: its process is ended and nothing is published. Raises ConflictError for a job that has ended in
        another way."""
        return await self._call(FineTuningJob, "POST", f"/v1/fine_tuning/jobs/{job_id}/cancel", idempotent=True)

    async def events(self, job_id: str, after: int = -1, limit: int = 500) -> JobEventPage:
        """Read at most `limit` events of a job with `seq` above `after`."""
        path = f"/v1/fine_tuning/jobs/{job_id}/events"
        return await self._call(JobEventPage, "GET", path, params={"after": after, "limit": limit})

    async def follow(self, job_id: str, after: int = -1) -> AsyncIterator[JobEvent]:
        """Receive the events of a job with `seq` above `after` until the job has ended. Raises UpstreamError where the
        stream ends before the job."""
        params = {"stream": "true", "after": after}
        async for line in self._lines(f"/v1/fine_tuning/jobs/{job_id}/events", params):
            if line == "data: [DONE]":
                return
            if line.startswith("data: "):
                yield JobEvent.model_validate_json(line.removeprefix("data: "))
        raise UpstreamError(
            f"The events of job {job_id} broke off before it had ended.",
            hint="The trainer may have been restarted: ask for the job again.",
        )

    async def adapters(self) -> list[AdapterManifest]:
        """List the manifests of all adapter versions in the registry."""
        reply = await self._send("GET", "/v1/adapters")
        return _MANIFESTS.validate_json(reply.content)

    async def adapter(self, version: str) -> AdapterManifest:
        """Read the manifest of an adapter version. Raises NotFoundError for an unknown one."""
        return await self._call(AdapterManifest, "GET", f"/v1/adapters/{version}")

    async def verify(self, version: str) -> AdapterManifest:
        """Compare every file of a version with its manifest. Raises InvalidInputError for a corrupt one."""
        return await self._call(AdapterManifest, "POST", f"/v1/adapters/{version}/verify", idempotent=True)

    async def live(self) -> LivePointer:
        """Read which version is live."""
        return await self._call(LivePointer, "GET", "/v1/registry/live")

    async def promote(self, version: str) -> LivePointer:
        """Make a version live."""
        return await self._call(LivePointer, "POST", f"/v1/adapters/{version}/promote", idempotent=True)

    async def rollback(self, version: str | None = None) -> LivePointer:
        """Make the version that was live before `version` live again.

        None goes back from whichever version is live. Such a call is not retried, because each one goes back by one
        version.
        """
        body = RollBack(version=version)
        return await self._call(LivePointer, "POST", "/v1/registry/rollback", body, idempotent=version is not None)

    async def demote(self) -> LivePointer:
        """Make the base model live. `rollback` makes the version live again that was live before."""
        return await self._call(LivePointer, "DELETE", "/v1/registry/live")

    async def collect_garbage(self, keep: int = 3, dry_run: bool = False) -> GarbageReport:
        """Remove old adapter versions, except the newest `keep` of each run and those that are in use. `dry_run` only
        reports what would be removed."""
        params = {"keep": keep, "dry_run": str(dry_run).lower()}
        return await self._call(GarbageReport, "POST", "/v1/registry/gc", params=params, idempotent=True)

    async def push(self, version: str, request: AdapterPush) -> PushResult:
        """Push a version to the Hugging Face Hub."""
        return await self._call(PushResult, "POST", f"/v1/adapters/{version}/push", request, timeout=600.0)
