"""`/v1/fine_tuning/jobs`: OpenAI-style fine-tuning jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from a3t_contracts.base_model import check_base_folder
from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.schemas import MAX_INT, FineTuningJob, FineTuningJobCreate, JobEventPage, JobPage, JobStatus
from a3t_contracts.service import JsonRoute
from a3t_contracts.tracing import origin_here

from ..jobs.store import JobStore
from ..registry.publish import withdraw
from ..state import TrainerState
from .deps import State

router = APIRouter(prefix="/v1/fine_tuning/jobs", tags=["jobs"], route_class=JsonRoute)


@router.post("")
async def create(body: FineTuningJobCreate, state: State) -> FineTuningJob:
    """Queue a job. A version has one job: the same request again returns that job, another request for the version
    gets 409. If the files of the version were damaged since, the same request trains it again.
    """
    await asyncio.to_thread(check_base_folder, body.model, state.settings.model_folders, "A3T_TRAINER_MODEL_FOLDERS")
    await asyncio.to_thread(state.files.get, body.training_file)
    known = state.jobs.for_version(body.version)
    if known is not None and known.request == body and known.status is JobStatus.succeeded:
        await _withdraw_if_damaged(known, state)
    if state.jobs.for_version(body.version) is None and await asyncio.to_thread(_is_published, state, body.version):
        raise ConflictError(
            f"Adapter version {body.version!r} is in the registry already.",
            hint="Versions are immutable; choose another name.",
        )
    return await state.jobs.create(body, origin_here())


@router.get("")
async def list_jobs(
    state: State, limit: Annotated[int, Query(ge=1, le=1000, description="Largest number of jobs")] = 100
) -> JobPage:
    """List jobs, newest first."""
    jobs = state.jobs.all()
    return JobPage(data=jobs[:limit], has_more=len(jobs) > limit)


@router.get("/{job_id}")
async def get_job(job_id: str, state: State) -> FineTuningJob:
    """Return a job with its progress."""
    return state.jobs.get(job_id)


@router.post("/{job_id}/cancel")
async def cancel(job_id: str, state: State) -> FineTuningJob:
    """Cancel a job. Its process is ended, and nothing is published. 409 for a job that has already succeeded or
    failed.
    """
    return await state.supervisor.cancel(job_id)


@router.get("/{job_id}/events", response_model=JobEventPage)
async def events(
    job_id: str,
    state: State,
    after: Annotated[int, Query(ge=-1, le=MAX_INT, description="Only events with a higher `seq`")] = -1,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Largest number of events")] = 500,
    stream: Annotated[bool, Query(description="Follow the events as server-sent events until the job ends")] = False,
) -> Response | JobEventPage:
    """Return the events with a `seq` above `after`; with `stream`, as server-sent events until the job has ended."""
    page, more = await state.jobs.events(job_id, after, limit)
    if stream:
        return StreamingResponse(_follow(state.jobs, job_id, after), media_type="text/event-stream")
    return JobEventPage(data=page, has_more=more)


async def _withdraw_if_damaged(job: FineTuningJob, state: TrainerState) -> None:
    try:
        await asyncio.to_thread(state.settings.reader().fetch, job.request.version)
    except NotFoundError:
        return
    except InvalidInputError as error:
        await asyncio.to_thread(withdraw, state.settings.registry_url, job.request.version)
        await state.jobs.spoil(job.id, error.problem())


def _is_published(state: TrainerState, version: str) -> bool:
    return state.settings.reader().holds(version)


async def _follow(jobs: JobStore, job_id: str, after: int) -> AsyncIterator[str]:
    while True:
        finished = jobs.finished(job_id)
        page, more = await jobs.events(job_id, after, 1000)
        for event in page:
            after = event.seq
            yield f"id: {event.seq}\nevent: {event.type}\ndata: {event.model_dump_json()}\n\n"
        if finished and not more:
            yield "data: [DONE]\n\n"
            return
        if not page:  # events that arrived while others were sent are sent first
            await jobs.changed()
