"""A training process that is killed at random steps ends with the weights of an undisturbed one."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import pytest
import torch
from safetensors.torch import load_file

from a3t_contracts.schemas import FineTuningJobCreate
from a3t_contracts.schemas.trajectory import Trajectory
from a3t_trainer.bundle import is_whole, seal
from tests.trainer.conftest import write_jsonl
from tests.trainer.jobs_support import request
from tests.trainer.process_on_pipes import ProcessOnPipes

STEPS = 24


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory, mixed: list[Trajectory]) -> Iterator[ProcessOnPipes]:
    folder = tmp_path_factory.mktemp("resume")
    write_jsonl(folder / "x.jsonl", mixed)
    running = ProcessOnPipes(folder)
    yield running
    running.process.kill()
    running.process.wait()


def job(base: Path, version: str) -> FineTuningJobCreate:
    """Dropout makes the generators matter, averaging the snapshots, the schedule its own state."""
    return request(
        base,
        version,
        lora={"dropout": 0.1, "target_modules": "all-linear"},
        optimisation={
            "max_steps": STEPS,
            "save_steps": 5,
            "learning_rate": 5e-3,
            "schedule": "cosine",
            "warmup_ratio": 0.2,
            "weight_decay": 0.01,
            "average_checkpoints": 4,
            "trajectories_per_step": 4,
            "threads": 1,
        },
    )


def test_kill_9_at_random_steps_and_resume(process: ProcessOnPipes, tiny_model: Path) -> None:
    outcome, code, _ = process.attempt(job(tiny_model, "calm"), None)
    assert (outcome.keys(), code) == ({"published"}, 0), outcome
    rng = random.Random()
    kills = sorted(rng.sample(range(1, STEPS), 4))
    for kill in kills:
        outcome, code, _ = process.attempt(job(tiny_model, "disturbed"), kill)
        assert (outcome, code) == ({}, -signal.SIGKILL), kills
    outcome, code, messages = process.attempt(job(tiny_model, "disturbed"), None)
    assert (outcome.keys(), code) == ({"published"}, 0), outcome
    assert any(m.startswith("Continuing from checkpoint-") for m in messages) or kills[-1] < 5
    calm, disturbed = (
        load_file(process.folder / "registry" / v / "adapter_model.safetensors") for v in ("calm", "disturbed")
    )
    assert calm.keys() == disturbed.keys()
    for name, value in calm.items():
        assert torch.allclose(value, disturbed[name], rtol=0, atol=1e-6), (name, kills)
        assert value.abs().max() > 1e-3


def test_a_damaged_checkpoint_is_passed_over(process: ProcessOnPipes, tiny_model: Path) -> None:
    body = job(tiny_model, "damaged")
    process.attempt(body, 12)
    bundles = sorted((process.folder / "work-damaged").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    assert [b.name for b in bundles] == ["checkpoint-5", "checkpoint-10"]
    with (bundles[1] / "adapter.safetensors").open("r+b") as file:
        file.truncate(100)
    outcome, _, messages = process.attempt(body, None)
    assert "Continuing from checkpoint-5." in messages
    assert outcome["published"]["version"] == "damaged"
    calm, damaged = (
        load_file(process.folder / "registry" / v / "adapter_model.safetensors") for v in ("calm", "damaged")
    )
    assert all(torch.allclose(calm[n], damaged[n], rtol=0, atol=1e-6) for n in calm)


def test_a_failure_is_told_as_a_problem(process: ProcessOnPipes) -> None:
    outcome, code, _ = process.attempt(request("/no/such/base"), None)
    assert code == 1
    assert outcome["failed"]["status"] == 404
    assert outcome["failed"]["detail"] == "There is no base model folder /no/such/base."


def test_everything_ends_with_the_service(tmp_path: Path, mixed: list[Trajectory], tiny_model: Path) -> None:
    """The process and its running child end when their stdin closes, as it does when the service is killed."""
    write_jsonl(tmp_path / "x.jsonl", mixed)
    running = ProcessOnPipes(tmp_path)
    body = job(tiny_model, "orphan")
    body = body.model_copy(update={"optimisation": body.optimisation.model_copy(update={"max_steps": 100_000})})
    content = {"id": "j", "request": body.model_dump(mode="json"), "training_file": str(tmp_path / "x.jsonl")}
    content |= {"folder": str(tmp_path / "work"), "registry": str(tmp_path / "r"), "trackers": [], "report_seconds": 0}
    stdin, stdout = cast(IO[str], running.process.stdin), cast(IO[str], running.process.stdout)
    stdin.write(json.dumps(content) + "\n")
    stdin.flush()
    while "progress" not in json.loads(stdout.readline()):
        pass
    stdin.close()
    assert json.loads(stdout.readlines()[-1]) == {"exited": 3}
    assert running.process.wait() == 0


def test_a_sealed_folder_is_whole_until_a_byte_changes(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("text")
    assert not is_whole(tmp_path)
    seal(tmp_path, step=3)
    assert is_whole(tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text())["step"] == 3
    (tmp_path / "a").write_text("tex!")
    assert not is_whole(tmp_path)
