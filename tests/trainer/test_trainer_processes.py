"""A job on several processes under accelerate: the same adapter as on one."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
import yaml
from safetensors.torch import load_file

from a3t_contracts.clients import TrainerClient
from a3t_contracts.schemas import JobStatus
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.app import create_app
from a3t_trainer.settings import TrainerSettings
from tests.support.live_server import free_port
from tests.trainer.jobs_support import request, run


def accelerate_config(path: Path) -> Path:
    """Two processes by torchrun; without a GPU they talk over gloo."""
    config = {
        "compute_environment": "LOCAL_MACHINE",
        "distributed_type": "MULTI_GPU",
        "num_machines": 1,
        "machine_rank": 0,
        "num_processes": 2,
        "mixed_precision": "no",
        "main_process_port": free_port(),
        "use_cpu": False,
    }
    path.write_text(yaml.safe_dump(config))
    return path


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_two_processes_train_the_adapter_that_one_trains(
    tiny_model: Path, mixed: list[Trajectory], tmp_path: Path
) -> None:
    body = request(tiny_model, optimisation={"epochs": 2, "learning_rate": 5e-3, "tokens_per_batch": 300})
    run(tmp_path / "alone", body, mixed)
    settings = TrainerSettings(
        home=tmp_path / "home",
        trainer_report_seconds=0,
        trainer_accelerate_config=accelerate_config(tmp_path / "accelerate.yaml"),
    )
    app = create_app(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app)
        token = settings.token.get_secret_value()
        async with TrainerClient("http://trainer", token, transport=transport, timeout=800) as trainer:
            file = await trainer.upload("".join(t.model_dump_json() + "\n" for t in mixed).encode(), "x.jsonl")
            job = await trainer.create_job(body.model_copy(update={"training_file": file.id}))
            assert [event async for event in trainer.follow(job.id)]
            job = await trainer.job(job.id)
            log = (settings.trainer_home / "training.log").read_text()
            assert (job.status, job.attempts) == (JobStatus.succeeded, 1), (job.error, log[-2000:])
            steps = [e.data["step"] for e in (await trainer.events(job.id, limit=1000)).data if e.type == "metrics"]
            assert steps == sorted(set(steps)), "one process alone reports"
    one = load_file(tmp_path / "alone" / "registry" / "v0" / "adapter_model.safetensors")
    two = load_file(settings.home / "registry" / "v0" / "adapter_model.safetensors")
    assert one.keys() == two.keys()
    for name, value in one.items():
        assert value.abs().max() > 1e-3
        assert (value - two[name]).abs().max() < 1e-5, name
