"""The trainer answers everybody else while its registry or its disk makes one request wait."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import httpx
import pytest
import pytest_asyncio

from a3t_contracts.clients import TrainerClient
from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import JobStatus
from a3t_trainer.app import create_app
from a3t_trainer.settings import TrainerSettings
from tests.support.slow_registry import SLOW_REGISTRY, SlowStorage
from tests.trainer.jobs_support import request


@pytest_asyncio.fixture
async def trainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TrainerClient]:
    """A service with a slow registry. It has no slots, so that its jobs stay in the queue."""
    monkeypatch.setattr("a3t_trainer.jobs.supervisor.devices", lambda _: [])
    SlowStorage.released.set()
    settings = TrainerSettings(home=tmp_path, registry=SLOW_REGISTRY)
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        token, transport = settings.token.get_secret_value(), httpx.ASGITransport(app=app)
        async with TrainerClient("http://trainer", token, transport=transport, timeout=120) as client:
            yield client


async def held(reached: Event, trainer: TrainerClient) -> None:
    """Wait until a request waits for the storage, and see that others are answered."""
    assert await asyncio.to_thread(reached.wait, 60)
    assert (await trainer.health())["status"] == "ok"
    assert isinstance(await trainer.jobs(), list)


async def test_a_slow_registry_holds_up_nobody_else(trainer: TrainerClient) -> None:
    file = await trainer.upload(b"{}", "x.jsonl")
    body = request("org/base", "v1", training_file=file.id)
    SlowStorage.hold()
    creating = asyncio.create_task(trainer.create_job(body))
    await held(SlowStorage.reached, trainer)
    SlowStorage.released.set()
    job = await creating
    assert job.status == JobStatus.queued
    SlowStorage.hold()
    cancelling = asyncio.create_task(trainer.cancel(job.id))
    listing = asyncio.create_task(trainer.adapters())
    looking = asyncio.create_task(trainer.adapter("v1"))
    await held(SlowStorage.reached, trainer)
    assert not cancelling.done()
    SlowStorage.released.set()
    assert (await cancelling).status == JobStatus.cancelled
    assert await listing == []
    with pytest.raises(NotFoundError):
        await looking


async def test_a_slow_disk_holds_up_nobody_else(trainer: TrainerClient, monkeypatch: pytest.MonkeyPatch) -> None:
    reached, released, sync = Event(), Event(), os.fsync

    def slow(descriptor: int) -> None:
        reached.set()
        assert released.wait(timeout=60)
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", slow)
    uploading = asyncio.create_task(trainer.upload(b"{}" * 2**20, "x.jsonl"))
    await held(reached, trainer)
    released.set()
    file = await uploading
    assert file.bytes == 2 * 2**20
    reached.clear()
    released.clear()
    creating = asyncio.create_task(trainer.create_job(request("org/base", "v1", training_file=file.id)))
    await held(reached, trainer)
    released.set()
    job = await creating
    assert [event.message for event in (await trainer.events(job.id)).data] == ["Job for adapter version v1 is queued."]
