"""Settings of the trainer service, read from environment variables (`A3T_…`)."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import Field

from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas import FineTuningJobCreate
from a3t_contracts.settings import ServiceSettings

__all__ = ["TrainerSettings"]


class TrainerSettings(ServiceSettings):
    """Settings of the trainer, in addition to those of every service. W&B, MLflow and the Hub read other variables
    (WANDB_API_KEY, MLFLOW_TRACKING_URI, HF_TOKEN).
    """

    port: int = Field(8104, ge=1, le=65535, description="TCP port to listen on")
    trainer_max_body_bytes: int = Field(
        2 * 2**20, gt=0, description="Largest request body in bytes; a larger one is refused with 413"
    )
    trainer_max_upload_bytes: int = Field(
        4 * 2**30, gt=0, description="Largest uploaded training file in bytes; a larger one is refused with 413"
    )

    trainer_model_folders: str = Field(
        "",
        description="Folders in which the base model of a job may be, separated by commas; empty: any folder with "
        "A3T_MODE=development, else none. Models that ship with A³T (`a3t/…`) and hub ids are always allowed",
    )
    trainer_slots: int | None = Field(
        None, ge=1, description="Number of jobs that run at the same time; unset: one per GPU, or one without a GPU"
    )
    trainer_keep_warm: bool = Field(
        True,
        description="Whether a process that has imported torch waits for the next job, which then starts sooner",
    )
    trainer_max_crashes: int = Field(
        3,
        ge=1,
        description="Number of times that a job's process may die without a new checkpoint before the job fails",
    )
    trainer_cancel_seconds: float = Field(
        5.0, gt=0, description="Seconds that the process of a cancelled job has to end before it is killed"
    )
    trainer_report_seconds: float = Field(
        1.0, ge=0, description="Smallest number of seconds between two metrics events of a job"
    )
    trainer_trackers: list[Literal["wandb", "mlflow", "trackio"]] | None = Field(
        None,
        description="Experiment trackers of jobs in addition to TensorBoard, as a JSON list; unset: those of "
        "A3T_TRACKERS",
    )
    trainer_accelerate_config: Path | None = Field(
        None,
        description="Configuration file of accelerate (several GPUs, FSDP, DeepSpeed). If it is set, jobs run one at a "
        "time under `accelerate launch`",
    )
    trainer_hub_namespace: str | None = Field(
        None,
        description="Namespace on the Hugging Face Hub to which every published version is pushed as "
        "NAMESPACE/VERSION; unset: versions are not pushed",
    )
    trainer_hub_private: bool = Field(True, description="Whether repositories that are created on the Hub are private")

    def reader(self) -> RegistryReader:
        """The registry. Versions of a remote registry are copied when their files are needed."""
        return RegistryReader(self.registry_url, self.trainer_home / "cache")

    @property
    def job_trackers(self) -> list[str]:
        """Trackers of jobs that name none, in addition to TensorBoard, which every job has."""
        named = self.trackers if self.trainer_trackers is None else self.trainer_trackers
        return [name for name in named if name != "tensorboard"]

    def trackers_of(self, request: FineTuningJobCreate) -> tuple[list[str], list[str]]:
        """The trackers of a job that are installed here, and those that are not; TensorBoard is left out."""
        asked = request.trackers
        named = self.job_trackers if asked is None else [name for name in asked if name != "tensorboard"]
        missing = [name for name in named if find_spec(name) is None]
        return [name for name in named if name not in missing], missing

    @property
    def model_folders(self) -> list[Path]:
        """Folders in which the base model of a job may be."""
        named = [Path(part.strip()) for part in self.trainer_model_folders.split(",") if part.strip()]
        return named or ([Path("/")] if self.mode == "development" else [])

    @property
    def trainer_home(self) -> Path:
        """Folder of uploaded files and jobs."""
        return self.home / "trainer"
