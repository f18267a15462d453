"""Running jobs in the tests' own process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from a3t_contracts.schemas import FineTuningJobCreate, LoraSettings, Objective, Optimisation, Progress
from a3t_contracts.schemas.adapter import AdapterManifest
from a3t_contracts.schemas.trajectory import Trajectory
from tests.trainer.conftest import write_jsonl


class Recorder:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, str]] = []
        self.readings: list[Progress] = []

    def message(self, text: str, level: str = "info", **data: Any) -> None:
        self.messages.append((level, text))

    def progress(self, progress: Progress) -> None:
        self.readings.append(progress)


def request(model: Path | str, version: str = "v0", **changes: Any) -> FineTuningJobCreate:
    """A small job; `objective`, `lora` and `optimisation` are given as dicts."""
    lora = {"rank": 4, "alpha": 8} | changes.pop("lora", {})
    optimisation = {
        "epochs": 1,
        "learning_rate": 1e-3,
        "trajectories_per_step": 5,
        "save_steps": 2,
        "tokens_per_batch": 1024,
        "threads": 1,
    } | changes.pop("optimisation", {})
    fields = {
        "model": str(model),
        "training_file": "file-0",
        "version": version,
        "run": "t",
        "round": 0,
        "objective": Objective(**changes.pop("objective", {})),
        "lora": LoraSettings(**lora),
        "optimisation": Optimisation(**optimisation),
    }
    return FineTuningJobCreate(**(fields | changes))


def run(
    folder: Path,
    body: FineTuningJobCreate,
    trajectories: list[Trajectory],
    job_id: str = "ftjob-0",
    trackers: tuple[str, ...] = (),
    inspect: Callable[[Any], None] | None = None,
) -> tuple[AdapterManifest, Recorder]:
    """Run a job to its publication in `folder`/registry."""
    from a3t_trainer.training.run import JobSpec, run_job

    folder.mkdir(parents=True, exist_ok=True)
    training_file = write_jsonl(folder / f"{body.version}.jsonl", trajectories)
    recorder = Recorder()
    spec = JobSpec(job_id, body, training_file, folder / f"work-{body.version}", str(folder / "registry"), trackers)
    return run_job(spec, recorder, inspect), recorder
