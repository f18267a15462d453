"""Settings of the trainer service, from the environment (`A3T_…`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from a3t_contracts.registry import RegistryReader
from a3t_contracts.settings import ServiceSettings

__all__ = ["TrainerSettings"]


class TrainerSettings(ServiceSettings):
    """Settings of the trainer, in addition to those of every service. W&B, MLflow and the Hub read their own variables
    (WANDB_API_KEY, MLFLOW_TRACKING_URI, HF_TOKEN)."""

    port: int = Field(8104, ge=1, le=65535, description="TCP port to listen on")
    trainer_max_body_bytes: int = Field(2 * 2**20, gt=0, description="Larger request bodies are refused with 413")
    trainer_max_upload_bytes: int = Field(4 * 2**30, gt=0, description="The same for uploaded training files")

    trainer_slots: int | None = Field(None, ge=1, description="Jobs at a time; unset: one per GPU, one without a GPU")
    trainer_keep_warm: bool = Field(True, description="Start a child process ahead, so that a job finds torch imported")
    trainer_max_crashes: int = Field(3, ge=1, description="Deaths without a new checkpoint before a job has failed")
    trainer_cancel_seconds: float = Field(5.0, gt=0, description="A cancelled child is killed after this")
    trainer_report_seconds: float = Field(1.0, ge=0, description="Least time between two metrics events of a job")
    trainer_trackers: list[Literal["wandb", "mlflow"]] = Field(
        default_factory=list, description="Trackers beside TensorBoard, as JSON"
    )
    trainer_accelerate_config: Path | None = Field(
        None,
        description="accelerate config (multi-GPU, FSDP, DeepSpeed); jobs run one at a time under accelerate launch",
    )
    trainer_hub_namespace: str | None = Field(
        None, description="Push every published version to the Hugging Face Hub as <namespace>/<version>"
    )
    trainer_hub_private: bool = Field(True, description="Repositories made on the Hub are private")

    def reader(self) -> RegistryReader:
        """The registry; versions of a remote one are copied when their files are asked for."""
        return RegistryReader(self.registry_url, self.trainer_home / "cache")

    @property
    def trainer_home(self) -> Path:
        """Uploaded files and jobs."""
        return self.home / "trainer"
