"""The trainer over HTTP: files, jobs and their events, adapters, and what it does with bad requests and broken jobs."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import pytest_asyncio
from fastapi import FastAPI

from a3t_contracts.clients import TrainerClient
from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.schemas import FineTuningJob, FineTuningJobCreate, JobStatus
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.app import create_app
from a3t_trainer.jobs.process import TrainingProcess
from a3t_trainer.settings import TrainerSettings
from tests.trainer.conftest import make_trajectory
from tests.trainer.jobs_support import request

TOKEN = TrainerSettings().token.get_secret_value()
pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def app(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[FastAPI]:
    """An app that runs in this process; its jobs run in real children."""
    app = create_app(TrainerSettings(home=tmp_path_factory.mktemp("home"), trainer_report_seconds=0))
    async with app.router.lifespan_context(app):
        yield app


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def trainer(app: FastAPI) -> AsyncIterator[TrainerClient]:
    """The app's client."""
    async with TrainerClient("http://trainer", TOKEN, transport=httpx.ASGITransport(app), timeout=240) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def http(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Plain HTTP to the app."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(base_url="http://trainer", headers=headers, transport=transport) as client:
        yield client


def lines(trajectories: list[Trajectory]) -> bytes:
    return "".join(t.model_dump_json() + "\n" for t in trajectories).encode()


async def ended(trainer: TrainerClient, job: FineTuningJob) -> FineTuningJob:
    """Wait for the job by following its event stream to the end."""
    assert [event async for event in trainer.follow(job.id)]
    return await trainer.job(job.id)


async def reach_step(app: FastAPI, job_id: str, step: int) -> None:
    """Wait until the job has got so far; the app runs in this loop, so its store can be asked."""
    jobs = app.state.trainer.jobs
    while jobs.get(job_id).progress.step < step:
        await jobs.changed()


async def create(trainer: TrainerClient, content: bytes, body: FineTuningJobCreate) -> FineTuningJob:
    file = await trainer.upload(content, "x.jsonl")
    return await trainer.create_job(body.model_copy(update={"training_file": file.id}))


async def test_a_job_publishes_its_version(trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]) -> None:
    job = await create(trainer, lines(mixed), request(tiny_model, "good"))
    assert job.status in (JobStatus.queued, JobStatus.running)
    job = await ended(trainer, job)
    assert (job.status, job.fine_tuned_model, job.attempts) == (JobStatus.succeeded, "good", 1)
    assert job.progress.step == job.progress.total_steps == 3
    events = (await trainer.events(job.id)).data
    assert [e.seq for e in events] == list(range(len(events)))
    assert [e.data["step"] for e in events if e.type == "metrics" and e.data] == [1, 2, 3]
    metrics = next(e.data for e in events if e.type == "metrics" and e.data)
    assert {"success", "failure", "observation", "thought", "action"} <= metrics["loss_parts"].keys()
    assert {"tokens_per_second", "peak_memory_bytes", "eta_seconds"} <= metrics.keys()
    assert (await trainer.adapter("good")).job_id == job.id
    page = await trainer.events(job.id, after=events[2].seq, limit=2)
    assert [e.seq for e in page.data] == [3, 4]
    assert page.has_more


async def test_the_stream_is_server_sent_events(http: httpx.AsyncClient, trainer: TrainerClient) -> None:
    job = next(job for job in await trainer.jobs() if job.request.version == "good")
    reply = await http.get(f"/v1/fine_tuning/jobs/{job.id}/events", params={"stream": "true"})
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert reply.text.endswith("data: [DONE]\n\n")
    assert reply.text.count("\ndata: {") == len((await trainer.events(job.id)).data)


async def test_the_same_request_is_the_same_job(
    trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]
) -> None:
    body = request(tiny_model, "same")
    one = await create(trainer, lines(mixed), body)
    two = await create(trainer, lines(mixed), body)
    assert one.id == two.id
    with pytest.raises(ConflictError, match=f"'same' belongs to job {one.id}"):
        await create(trainer, lines(mixed), body.model_copy(update={"seed": 1}))
    await ended(trainer, one)
    assert (await create(trainer, lines(mixed), body)).id == one.id
    assert sum(j.request.version == "same" for j in await trainer.jobs()) == 1


async def test_a_file_is_stored_once(trainer: TrainerClient, mixed: list[Trajectory]) -> None:
    one, two = await trainer.upload(lines(mixed), "a"), await trainer.upload(lines(mixed), "b")
    assert one == two
    assert one.bytes == len(lines(mixed))
    with pytest.raises(InvalidInputError, match="empty"):
        await trainer.upload(b"", "nothing")


def _without_flag() -> bytes:
    fields = json.loads(make_trajectory().model_dump_json())
    del fields["success"]
    return json.dumps(fields).encode() + b"\n"


def _failures_alone() -> bytes:
    return lines([make_trajectory(success=False)])


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        (None, {"model": "/no/such/base"}, "There is no base model folder /no/such/base."),
        (None, {"lora": {"target_modules": "all-linear"}, "optimisation": {"learning_rate": 1e30}}, "became nan"),
        (b"{}\n", {}, "Line 1 is not a trajectory"),
        (_without_flag(), {}, "success"),
        (_failures_alone(), {"objective": {"name": "sft"}}, "the objective sft uses none of the 1 trajectories"),
        (None, {"parent": "good", "lora": {"rank": 2}}, "Parent 'good' has r 4, but the job asks for 2."),
        (None, {"parent": "nobody"}, "There is no adapter version 'nobody'"),
    ],
)
async def test_a_broken_job_fails_with_the_reason_and_publishes_nothing(
    trainer: TrainerClient,
    tiny_model: Path,
    mixed: list[Trajectory],
    content: bytes | None,
    changes: dict[str, Any],
    reason: str,
) -> None:
    model = changes.pop("model", tiny_model)
    version = f"broken-{abs(hash(reason))}"
    job = await ended(trainer, await create(trainer, content or lines(mixed), request(model, version, **changes)))
    assert job.status == JobStatus.failed
    assert job.error is not None
    assert reason in job.error["detail"]
    assert (await trainer.events(job.id)).data[-1].level == "error"
    with pytest.raises(NotFoundError):
        await trainer.adapter(version)
    assert (await trainer.ready())["status"] == "ready"


def job_process() -> psutil.Process:
    """The child process in which the trainer service trains."""
    [process] = [p for p in psutil.Process().children() if "a3t_trainer.training_process" in p.cmdline()]
    return process


async def test_a_full_disk_ends_the_job_with_the_reason(
    trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]
) -> None:
    """The kernel refuses every file above 4 KiB to the job's process, as it does on a full disk."""
    await ended(trainer, await create(trainer, lines(mixed), request(tiny_model, "before-full")))
    process = job_process()
    limit = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (4096, limit[1]))
    body = request(tiny_model, "full", lora={"rank": 16}, optimisation={"save_steps": 1})
    job = await ended(trainer, await create(trainer, lines(mixed), body))
    process.rlimit(psutil.RLIMIT_FSIZE, limit)
    assert (job.status, job.attempts) == (JobStatus.failed, 1)
    assert job.error is not None
    assert job.error["detail"].startswith("The disk is full: File too large")
    assert job.error["type"] == "urn:a3t:problem:disk-full"
    with pytest.raises(NotFoundError):
        await trainer.adapter("full")
    after = await ended(trainer, await create(trainer, lines(mixed), request(tiny_model, "after-full")))
    assert after.status == JobStatus.succeeded


async def test_a_damaged_version_is_trained_again_when_it_is_asked_for(
    app: FastAPI, trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]
) -> None:
    registry, body = Path(app.state.trainer.settings.registry_url), request(tiny_model, "spoilt")
    first = await ended(trainer, await create(trainer, lines(mixed), body))
    weights = registry / "spoilt" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    second = await ended(trainer, await create(trainer, lines(mixed), body))
    assert first.status is second.status is JobStatus.succeeded
    assert second.id != first.id
    assert weights.read_bytes() == whole, "the same request gives the same weights"
    spoilt = await trainer.job(first.id)
    assert spoilt.status is JobStatus.failed
    assert spoilt.error is not None
    assert "corrupt" in spoilt.error["detail"]
    assert (await create(trainer, lines(mixed), body)).id == second.id, "a whole version is not trained again"


async def test_a_failed_version_can_be_tried_again(
    trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]
) -> None:
    body = request(tiny_model, "second-try")
    first = await ended(trainer, await create(trainer, b"{}\n", body))
    second = await ended(trainer, await create(trainer, lines(mixed), body))
    assert (first.status, second.status) == (JobStatus.failed, JobStatus.succeeded)
    assert first.id != second.id


async def test_cancel_ends_a_running_job(
    app: FastAPI, trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]
) -> None:
    body = request(tiny_model, "cancelled", optimisation={"max_steps": 100_000, "save_steps": 10**6})
    job = await create(trainer, lines(mixed), body)
    waiting = await create(trainer, lines(mixed), request(tiny_model, "waiting"))
    await reach_step(app, job.id, 1)
    assert (await trainer.job(waiting.id)).status == JobStatus.queued
    assert (await trainer.cancel(waiting.id)).status == JobStatus.cancelled
    assert (await trainer.cancel(job.id)).status == JobStatus.cancelled
    assert (await trainer.cancel(job.id)).status == JobStatus.cancelled
    assert "cancelled" not in [m.version for m in await trainer.adapters()]
    after = await ended(trainer, await create(trainer, lines(mixed), request(tiny_model, "after-cancelled")))
    assert (after.status, after.attempts) == (JobStatus.succeeded, 1)
    done = next(j for j in await trainer.jobs() if j.status == JobStatus.succeeded)
    with pytest.raises(ConflictError, match="has succeeded already"):
        await trainer.cancel(done.id)


async def test_a_job_whose_process_dies_is_brought_back(
    app: FastAPI, trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory]
) -> None:
    body = request(tiny_model, "killed", optimisation={"max_steps": 60, "save_steps": 5})
    job = await create(trainer, lines(mixed), body)
    await reach_step(app, job.id, 7)
    children = psutil.Process().children(recursive=True)
    os.kill(max(children, key=lambda p: p.create_time()).pid, signal.SIGKILL)
    job = await ended(trainer, job)
    messages = [e.message for e in (await trainer.events(job.id, limit=1000)).data]
    assert (job.status, job.attempts) == (JobStatus.succeeded, 2), messages
    assert any("died (SIGKILL)" in m for m in messages)
    assert any(m.startswith("Continuing from checkpoint-") for m in messages)


async def test_a_process_that_died_while_it_waited_is_no_attempt_of_the_next_job(
    trainer: TrainerClient, tiny_model: Path, mixed: list[Trajectory], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its death is not known yet when the job is handed to it: both happen in one turn of the event loop."""
    give, killed = TrainingProcess.give, []

    async def give_to_the_dead(process: TrainingProcess, content: dict[str, Any]) -> None:
        if not killed:
            killed.append(process.process.pid)
            process.process.kill()
        await give(process, content)

    await ended(trainer, await create(trainer, lines(mixed), request(tiny_model, "before-death")))
    waiting = job_process().pid
    monkeypatch.setattr(TrainingProcess, "give", give_to_the_dead)
    job = await ended(trainer, await create(trainer, lines(mixed), request(tiny_model, "after-death")))
    assert killed == [waiting]
    messages = [e.message for e in (await trainer.events(job.id, limit=1000)).data]
    assert (job.status, job.attempts) == (JobStatus.succeeded, 1), messages
    assert not any("died" in m for m in messages)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/fine_tuning/jobs/ftjob-none", 404),
        ("GET", "/v1/fine_tuning/jobs/ftjob-none/events", 404),
        ("POST", "/v1/fine_tuning/jobs/ftjob-none/cancel", 404),
        ("GET", "/v1/files/file-none", 404),
        ("GET", "/v1/files/..%2Fx", 404),
        ("GET", "/v1/adapters/none", 404),
        ("GET", "/v1/adapters/..%2f..%2fetc", 404),
        ("GET", "/v1/adapters/%2e%2e", 422),
        ("POST", "/v1/adapters/none/promote", 404),
        ("GET", "/v1/fine_tuning/jobs?limit=0", 422),
    ],
)
async def test_unknown_things_are_problems(http: httpx.AsyncClient, method: str, path: str, status: int) -> None:
    reply = await http.request(method, path)
    assert reply.status_code == status
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["detail"]


async def test_bad_requests_name_the_field(http: httpx.AsyncClient, tiny_model: Path) -> None:
    body = json.loads(request(tiny_model).model_dump_json())
    for change, where in [
        ({"training_file": "file-unknown"}, "file-unknown"),
        ({"optimisation": {"epoch": 3}}, "body.optimisation.epoch"),
        ({"version": "../up"}, "body.version"),
        ({"parent": "v0"}, "parent 'v0' is the version to publish"),
    ]:
        reply = await http.post("/v1/fine_tuning/jobs", json=body | change)
        assert reply.status_code in (404, 422)
        assert where in reply.json()["detail"]


async def test_promote_rollback_and_collect_over_http(trainer: TrainerClient) -> None:
    assert (await trainer.live()).version is None
    await trainer.promote("good")
    assert (await trainer.promote("same")).history == ["good"]
    assert (await trainer.rollback()).version == "good"
    with pytest.raises(ConflictError, match="no earlier live version"):
        await trainer.rollback()
    report = await trainer.collect_garbage(keep=1, dry_run=True)
    assert "good" in report.kept
    assert "same" in report.removed
    assert report.removed == (await trainer.collect_garbage(keep=1)).removed
    assert sorted(m.version for m in await trainer.adapters()) == report.kept
    assert (await trainer.verify("good")).version == "good"
