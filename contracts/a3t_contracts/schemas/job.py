"""Fine-tuning jobs in the OpenAI style: the contract of the trainer service."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from .base import Name, Schema

__all__ = [
    "VALID_TRANSITIONS",
    "Augmentation",
    "FileObject",
    "FineTuningJob",
    "FineTuningJobCreate",
    "JobEvent",
    "JobEventPage",
    "JobPage",
    "JobStatus",
    "LoraSettings",
    "Objective",
    "ObjectiveName",
    "Optimisation",
    "Progress",
    "TrainingSettings",
]


class ObjectiveName(StrEnum):
    contrastive = "contrastive"
    sft = "sft"
    raw_reward = "raw_reward"
    label_prefix = "label_prefix"
    dpo = "dpo"


class Objective(Schema):
    """What is maximised: (1/M) Σ R(τ) log p(τ), paper eq. (1), or one of its comparisons."""

    name: ObjectiveName = ObjectiveName.contrastive
    failure_reward: float = Field(-1.0, ge=-1, le=1, description="R_f; −1 is the paper's choice, 0 is SFT")
    normalisation: Literal["as_printed", "per_token", "per_trajectory"] = Field(
        "as_printed",
        description="as_printed: sum over tokens, mean over trajectories; per_token: over all "
        "trained tokens of the batch; per_trajectory: mean over each trajectory's tokens first",
    )
    failure_weight: float = Field(1.0, ge=0, description="Multiplies the weight of failures")
    failure_observations: bool = Field(True, description="Push down a failure's observation tokens too")
    failure_nll_cap: float | None = Field(
        None, gt=0, description="No gradient from a failure's token whose nll (nats) is above; null: off"
    )
    observation_weight: float = Field(1.0, ge=0, description="Weight of observation tokens (world modelling)")
    thought_weight: float = Field(1.0, ge=0)
    action_weight: float = Field(1.0, ge=0)
    invalid_weight: float = Field(
        1.0, ge=0, description="Multiplies a success's turns whose action was not understood; 0: they are not imitated"
    )
    repeat_weight: float = Field(
        1.0, ge=0, description="Multiplies a success's turns that repeat an action and are told nothing new"
    )
    skip_thoughts: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="How thoughts begin that say no purpose: a success's turns that have such a one are not imitated",
    )
    dpo_beta: float = Field(0.1, gt=0)


class LoraSettings(Schema):
    """LoRA, or full fine-tuning for tiny models; defaults are the paper's."""

    rank: int = Field(16, ge=1, le=1024)
    alpha: int = Field(32, ge=1)
    dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: list[str] | Literal["all-linear"] = Field(default_factory=lambda: ["q_proj", "v_proj"])
    use_dora: bool = False
    use_rslora: bool = False
    quantisation: Literal["none", "nf4"] = "none"
    double_quantisation: bool = False
    dtype: Literal["float32", "bfloat16"] = "float32"


class Optimisation(Schema):
    """Optimiser, schedule and batches."""

    epochs: float = Field(6, gt=0, le=10_000)
    learning_rate: float = Field(1e-4, gt=0)
    schedule: Literal["constant", "constant_with_warmup", "linear", "cosine"] = "constant"
    warmup_ratio: float = Field(0.0, ge=0, lt=1)
    weight_decay: float = Field(0.0, ge=0)
    max_grad_norm: float = Field(1.0, ge=0)
    optimizer: Literal["paged_adamw_32bit", "adamw_torch"] = "adamw_torch"
    tokens_per_batch: int = Field(8192, ge=1, description="Tokens of one forward pass, padding included")
    trajectories_per_step: int = Field(16, ge=1, description="Trajectories of one optimiser step")
    max_length: int = Field(4096, ge=8, description="Longer sequences are refused, with their id")
    packing: bool = True
    gradient_checkpointing: bool = False
    average_checkpoints: int = Field(0, ge=0, description="Average this many evenly spaced checkpoints; 0: the last")
    interpolation: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Publish the base plus this share of the adapter's update B·A; below 1 the base "
        "keeps more of what it knew (arXiv 2109.01903)",
    )
    save_steps: int = Field(50, ge=1, description="Optimiser steps between checkpoint bundles")
    max_steps: int | None = Field(None, ge=1, description="Stop after this many optimiser steps; null: by epochs")
    threads: int | None = Field(None, ge=1, description="CPU threads; null: torch's choice")


class Augmentation(Schema):
    """Names that an environment treats alike, permuted anew each time that a trajectory is trained on. Off by default:
    the paper has none. For tiny models, whose tokenizers write a name as one token."""

    interchangeable: list[list[str]] = Field(
        default_factory=list, description="Groups of words; a permutation of a group leaves an episode valid"
    )
    share: float = Field(0.5, ge=0, le=1, description="Probability that a group is permuted")

    @model_validator(mode="after")
    def _groups_are_apart(self) -> Augmentation:
        words = [word for group in self.interchangeable for word in group]
        twice = sorted({word for word in words if words.count(word) > 1})
        if twice:
            raise ValueError(f"augmentation.interchangeable names {twice[0]!r} twice; a word has one group")
        return self


class TrainingSettings(Schema):
    """How an adapter is trained."""

    objective: Objective = Field(default_factory=Objective)
    lora: LoraSettings = Field(default_factory=LoraSettings)
    optimisation: Optimisation = Field(default_factory=Optimisation)
    augmentation: Augmentation = Field(default_factory=Augmentation)

    @model_validator(mode="after")
    def _update_can_be_scaled(self) -> Self:
        if self.optimisation.interpolation < 1 and self.lora.use_dora:
            raise ValueError(
                "optimisation.interpolation does not go with use_dora: DoRA normalises what it would scale"
            )
        return self

    @model_validator(mode="after")
    def _reference_is_fixed(self) -> Self:
        if self.objective.name is ObjectiveName.dpo and self.augmentation.interchangeable:
            raise ValueError("augmentation does not go with dpo: the reference's log-probabilities are taken once")
        return self


class FineTuningJobCreate(TrainingSettings):
    """Train an adapter on the trajectories of an uploaded JSONL file and publish it as `version`."""

    model: str = Field(description="Base model: folder or hub id")
    training_file: str = Field(description="Id of an uploaded file: one Trajectory a line")
    version: Name = Field(description="Adapter version to publish")
    run: Name
    round: int = Field(ge=0)
    parent: Name | None = Field(None, description="Adapter version to continue from; null: restart from the base")
    seed: int = Field(0, ge=0)
    metadata: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _parent_is_another(self) -> FineTuningJobCreate:
        if self.parent == self.version:
            raise ValueError(f"parent {self.parent!r} is the version to publish; name an earlier version")
        return self


class JobStatus(StrEnum):
    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job will not change any more by itself."""
        return self in (JobStatus.succeeded, JobStatus.failed, JobStatus.cancelled)


VALID_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.queued: frozenset({JobStatus.running, JobStatus.cancelled, JobStatus.failed}),
    JobStatus.running: frozenset({JobStatus.queued, JobStatus.succeeded, JobStatus.failed, JobStatus.cancelled}),
    JobStatus.succeeded: frozenset(),
    JobStatus.failed: frozenset(),
    JobStatus.cancelled: frozenset(),
}
"""A running job goes back to `queued` when its process died and it will be resumed."""


class Progress(Schema):
    """Where a running job stands."""

    step: int = 0
    total_steps: int | None = None
    epoch: float = 0.0
    loss: float | None = None
    loss_parts: dict[str, float] = Field(
        default_factory=dict, description="nll (nats/token) of success, failure, observation, thought, action"
    )
    tokens_per_second: float | None = None
    peak_memory_bytes: int | None = None
    eta_seconds: float | None = None


class FineTuningJob(Schema):
    id: str
    object: str = "fine_tuning.job"
    status: JobStatus
    created_at: int
    finished_at: int | None = None
    request: FineTuningJobCreate
    progress: Progress = Field(default_factory=Progress)
    fine_tuned_model: str | None = Field(None, description="The published version, once succeeded")
    error: dict[str, Any] | None = Field(None, description="Problem document of a failed job")
    attempts: int = 0


class JobPage(Schema):
    object: str = "list"
    data: list[FineTuningJob]
    has_more: bool = False


class JobEvent(Schema):
    """One line of `GET /v1/fine_tuning/jobs/{id}/events`; `seq` counts from 0."""

    id: str
    object: str = "fine_tuning.job.event"
    seq: int
    created_at: int
    level: Literal["info", "warn", "error"] = "info"
    type: Literal["message", "metrics"] = "message"
    message: str
    data: dict[str, Any] | None = None


class JobEventPage(Schema):
    object: str = "list"
    data: list[JobEvent]
    has_more: bool = False


class FileObject(Schema):
    """An uploaded file (OpenAI's names)."""

    id: str
    object: str = "file"
    bytes: int
    created_at: int
    filename: str
    purpose: str = "fine-tune"
    sha256: str
