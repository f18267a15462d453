"""A run that is cancelled asks its trainer to cancel the job, and waits as the recipe's limits say."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from a3t_orchestrator.driver.context import RunContext
from a3t_orchestrator.driver.learn import cancel_training
from a3t_orchestrator.recipe import parse_recipe
from a3t_orchestrator.settings import OrchestratorSettings
from a3t_orchestrator.store import Job, Store, create_run, events


async def test_a_silent_trainer_does_not_hold_up_the_end_of_a_run(tmp_path: Path) -> None:
    limits = {"call_seconds": 0.2, "outage_seconds": 0.5}
    recipe = parse_recipe({"name": "r", "environment": "alfworld", "limits": limits})
    store = Store(f"sqlite:///{tmp_path / 'a3t.db'}")
    store.upgrade()
    with store.session() as session:
        create_run(session, "r", recipe, "", {})
        session.add(Job(run="r", round=0, job_id="ftjob-1", version="r-r00", status="running"))

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    settings = OrchestratorSettings(home=tmp_path, trainer_url=f"http://127.0.0.1:{port}")
    started = time.monotonic()
    await cancel_training(RunContext(store, settings, "r", recipe))
    assert time.monotonic() - started < 30
    with store.session() as session:
        told = events(session, "r", kind="job_not_cancelled")
        assert len(told) == 1
        assert "ftjob-1" in told[0].message
    server.close()
    store.close()
