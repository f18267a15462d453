"""A real trainer service behind the dashboard: its jobs have run, and its registry holds versions without weights."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from a3t_contracts.schemas import AdapterManifest, FineTuningJobCreate, JobStatus, Progress
from a3t_orchestrator.store import Job, Store
from a3t_trainer.app import create_app
from a3t_trainer.jobs.store import JobStore
from a3t_trainer.registry.live import promote
from a3t_trainer.settings import TrainerSettings
from tests.support.adapter_files import publish_files
from tests.support.live_server import live_server

__all__ = ["running_trainer"]


@contextmanager
def running_trainer(home: Path, token: str, store: Store, runs: dict[str, int]) -> Iterator[str]:
    """Its address. `runs`: run → number of its rounds, whose jobs and versions are the trainer's from now on."""
    settings = TrainerSettings.model_validate({"home": home, "token": token})
    root = Path(settings.registry_url)
    for run, rounds in runs.items():
        with ThreadPoolExecutor(1) as apart:  # Playwright's event loop may run in this thread
            ids = apart.submit(asyncio.run, _make_jobs(settings.trainer_home / "jobs", run, rounds)).result()
        with store.session() as session:
            for number, job_id in enumerate(ids):
                session.execute(update(Job).where(Job.run == run, Job.round == number).values(job_id=job_id))
                _publish(root, run, number)
                promote(settings.reader(), f"{run}-r{number:02d}")
    with live_server(create_app(settings)) as url:
        yield url


async def _make_jobs(root: Path, run: str, rounds: int) -> list[str]:
    jobs, ids = JobStore(root), []
    for number in range(rounds):
        version = f"{run}-r{number:02d}"
        request = FineTuningJobCreate(
            model="a3t/tiny", training_file="file-0", version=version, run=run, round=number, parent=None
        )
        job = await jobs.create(request)
        await jobs.move(job.id, JobStatus.running)
        for step in range(1, 91):
            loss = (1.9 - 0.25 * number) * math.exp(-step / 40) + 0.12 + 0.02 * math.sin(step * 2.3)
            parts = {"success": loss, "thought": 1.3 * loss, "action": 0.6 * loss}
            await jobs.progress(job.id, Progress(step=step, total_steps=90, loss=loss, loss_parts=parts))
        await jobs.move(job.id, JobStatus.succeeded, fine_tuned_model=version)
        ids.append(job.id)
    return ids


def _publish(root: Path, run: str, number: int) -> None:
    version = f"{run}-r{number:02d}"
    path = publish_files(root, version) / "manifest.json"
    manifest = AdapterManifest.model_validate_json(path.read_text()).model_copy(
        update={
            "run": run,
            "round": number,
            "base_model": "a3t/tiny",
            "rank": 16,
            "target_modules": ["q_proj", "v_proj"],
            "parent": f"{run}-r{number - 1:02d}" if number else None,
            "objective": {"name": "a3t", "failure_weight": 0.3},
            "data": {"trained_trajectories": 120 + 90 * number, "trained_failures": 30 * number},
            "metrics": {"nll_success": 0.9 - 0.15 * number, "seconds": 210.0 + 25 * number, "tokens": 812_340.0},
            "created_at": datetime.now(UTC) - timedelta(hours=9 - 2 * number),
        }
    )
    path.write_text(manifest.model_dump_json())
