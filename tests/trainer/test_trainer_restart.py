"""The service is killed with -9 in the middle of a job; started again, it brings the job to its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from a3t_contracts.clients import RetryPolicy, TrainerClient
from a3t_contracts.errors import A3TError
from a3t_contracts.schemas import JobStatus
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.jobs.store import JobStore
from tests.trainer.jobs_support import request

TOKEN = "a-token-for-this-test"


def start(home: Path, port: int) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "A3T_HOME": str(home),
        "A3T_PORT": str(port),
        "A3T_TOKEN": TOKEN,
        "A3T_TRAINER_REPORT_SECONDS": "0",
    }
    with (home / "service.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "a3t_trainer"], env=environment, stderr=log, stdout=log)


def client(port: int) -> TrainerClient:
    """Patient enough for a service that is just being started."""
    retry = RetryPolicy(attempts=120, initial=0.25, maximum=0.5)
    return TrainerClient(f"http://127.0.0.1:{port}", TOKEN, timeout=240, retry=retry)


async def reach_step(trainer: TrainerClient, job_id: str, step: int) -> None:
    """Follow the event stream until the job has got so far."""
    async for event in trainer.follow(job_id):
        if event.type == "metrics" and event.data and event.data["step"] >= step:
            return
    raise AssertionError("the job ended before")


@pytest.mark.timeout(900)
async def test_kill_9_of_the_service_loses_nothing(tmp_path: Path, tiny_model: Path, mixed: list[Trajectory]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = start(tmp_path, port)
    try:
        async with client(port) as trainer:
            content = "".join(t.model_dump_json() + "\n" for t in mixed).encode()
            file = await trainer.upload(content, "x.jsonl")
            body = request(tiny_model, "v0", optimisation={"max_steps": 80, "save_steps": 5})
            job = await trainer.create_job(body.model_copy(update={"training_file": file.id}))
            await reach_step(trainer, job.id, 8)
        children = psutil.Process(service.pid).children(recursive=True)
        assert children
        service.send_signal(signal.SIGKILL)
        service.wait()
        assert psutil.wait_procs(children, timeout=60)[1] == []
        service = start(tmp_path, port)
        async with client(port) as trainer:
            assert [event async for event in trainer.follow(job.id)]
            job = await trainer.job(job.id)
            assert (job.status, job.attempts) == (JobStatus.succeeded, 2)
            messages = [e.message for e in (await trainer.events(job.id, limit=1000)).data]
            assert [a.version for a in await trainer.adapters()] == ["v0"]
        assert any(m.startswith("Continuing from checkpoint-") for m in messages)
        assert sum("continues from its last checkpoint" in m for m in messages) == 1
    finally:
        service.terminate()
        service.wait()


async def test_job_state_survives_a_cut_event_and_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = JobStore(tmp_path)
    job = await store.create(request("org/base", training_file="file-0"))
    await store.move(job.id, JobStatus.running)
    with (tmp_path / job.id / "events.jsonl").open("a") as file:
        file.write('{"id": "cut')
    again = JobStore(tmp_path)
    assert again.get(job.id).status == JobStatus.queued
    assert [e.seq for e in (await again.events(job.id))[0]] == [0, 1]
    assert [e.seq for e in (await JobStore(tmp_path).events(job.id))[0]] == [0, 1]

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    await again.move(job.id, JobStatus.running)
    await again.move(job.id, JobStatus.cancelled)
    assert again.get(job.id).status == JobStatus.cancelled
    with pytest.raises(A3TError, match="The disk is full: No space left on device"):
        await again.create(request("org/base", "v1"))
    assert [j.id for j in again.all()] == [job.id]


async def test_a_job_of_another_release_does_not_keep_the_service_down(tmp_path: Path) -> None:
    store = JobStore(tmp_path)
    mine, theirs = [
        await store.create(request("org/base", version, training_file="file-0")) for version in ("v0", "v1")
    ]
    path = tmp_path / theirs.id / "job.json"
    written = path.read_text().replace('"objective": {', '"objective": {"of_tomorrow": 1,')
    assert "of_tomorrow" in written
    path.write_text(written)
    assert [job.id for job in JobStore(tmp_path).all()] == [mine.id]
    assert path.read_text() == written
