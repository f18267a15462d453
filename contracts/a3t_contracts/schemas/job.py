"""Schemas of the trainer service: fine-tuning jobs in the style of the OpenAI API."""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, model_validator

from .base import MAX_INT, Name, Schema, Tracker
from .origin import Origin
from .training import TrainingSettings

__all__ = [
    "VALID_TRANSITIONS",
    "FileObject",
    "FineTuningJob",
    "FineTuningJobCreate",
    "JobEvent",
    "JobEventPage",
    "JobPage",
    "JobStatus",
    "Progress",
]


class FineTuningJobCreate(TrainingSettings):
    """A request to train an adapter on the trajectories of an uploaded file and to publish it as `version`."""

    model: str = Field(description="Base model: a folder, or a model id of the Hugging Face Hub")
    training_file: str = Field(description="Id of an uploaded JSONL file with one trajectory a line")
    version: Name = Field(description="Name of the adapter version that the job publishes")
    run: Name = Field(description="Name of the run that the adapter belongs to")
    round: int = Field(ge=0, le=MAX_INT, description="Number of the round that the adapter belongs to, from 0")
    parent: Name | None = Field(
        None, description="Adapter version whose weights the job starts from; null starts from the base model"
    )
    seed: int = Field(
        0, ge=0, lt=2**32, description="Seed of the order of trajectories, of dropout and of permutations"
    )
    trackers: list[Tracker] | None = Field(
        None,
        max_length=4,
        description="Experiment trackers of the job, which writes TensorBoard logs in any case; null takes those of "
        "the trainer's settings",
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Free values that are kept with the job")

    @model_validator(mode="after")
    def _parent_is_another(self) -> FineTuningJobCreate:
        if self.parent == self.version:
            raise ValueError(f"parent {self.parent!r} is the version to publish; name an earlier version")
        return self


class JobStatus(StrEnum):
    """State of a fine-tuning job; `VALID_TRANSITIONS` says which state may follow which."""

    queued = "queued"
    running = "running"
    succeeded = "succeeded"
    failed = "failed"
    cancelled = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether the job has ended, with or without success."""
        return not VALID_TRANSITIONS[self]

    @property
    def unsuccessful(self) -> bool:
        """Whether the job has ended without an adapter version."""
        return self.ended and self is not JobStatus.succeeded


VALID_TRANSITIONS: dict[JobStatus, frozenset[JobStatus]] = {
    JobStatus.queued: frozenset({JobStatus.running, JobStatus.cancelled, JobStatus.failed}),
    JobStatus.running: frozenset({JobStatus.queued, JobStatus.succeeded, JobStatus.failed, JobStatus.cancelled}),
    JobStatus.succeeded: frozenset(),
    JobStatus.failed: frozenset(),
    JobStatus.cancelled: frozenset(),
}
"""Which states may follow a state. A running job goes back to `queued` when its process died and it will be resumed."""


class Progress(Schema):
    """How far a fine-tuning job is."""

    step: int = Field(0, description="Number of optimiser steps done")
    total_steps: int | None = Field(
        None, description="Number of optimiser steps of the whole job; null until it is known"
    )
    epoch: float = Field(0.0, description="Passes over the training set so far, with fractions")
    loss: float | None = Field(None, description="Loss of the last optimiser step; null before the first one")
    loss_parts: dict[str, float] = Field(
        default_factory=dict,
        description="Mean negative log-likelihood (nats per token) by part: success, failure, observation, thought, "
        "action",
    )
    tokens_per_second: float | None = Field(None, description="Tokens trained per second")
    peak_memory_bytes: int | None = Field(None, description="Largest amount of memory used so far, in bytes")
    eta_seconds: float | None = Field(None, description="Estimated seconds until the job ends")


class FineTuningJob(Schema):
    """A fine-tuning job, in the form of the OpenAI API."""

    id: str = Field(description="Id of the job, made from its request; the same request has the same id")
    object: str = Field("fine_tuning.job", description="Kind of the object, as in the OpenAI API")
    status: JobStatus = Field(description="State of the job")
    created_at: int = Field(description="Time of creation, in seconds since 1970 (UTC)")
    finished_at: int | None = Field(
        None, description="Time at which the job ended, in seconds since 1970 (UTC); null while it has not"
    )
    request: FineTuningJobCreate = Field(description="The request that made the job")
    progress: Progress = Field(default_factory=Progress, description="How far the job is")
    fine_tuned_model: str | None = Field(
        None, description="The published adapter version; null unless the job succeeded"
    )
    error: dict[str, Any] | None = Field(None, description="Problem document of a failed job; null otherwise")
    attempts: int = Field(0, description="Number of times that a training process was started for the job")
    origin: Origin | None = Field(None, description="Who asked for the job, for logs and traces")


class JobPage(Schema):
    """One page of `GET /v1/fine_tuning/jobs`."""

    object: str = Field("list", description="Kind of the object, as in the OpenAI API")
    data: list[FineTuningJob] = Field(description="Jobs, the newest first")
    has_more: bool = Field(False, description="Whether further jobs follow on the next page")


class JobEvent(Schema):
    """One event of `GET /v1/fine_tuning/jobs/{id}/events`."""

    id: str = Field(description="Id of the event")
    object: str = Field("fine_tuning.job.event", description="Kind of the object, as in the OpenAI API")
    seq: int = Field(description="Number of the event in its job, from 0")
    created_at: int = Field(description="Time of the event, in seconds since 1970 (UTC)")
    level: Literal["info", "warn", "error"] = Field("info", description="How serious the event is")
    type: Literal["message", "metrics"] = Field(
        "message", description="`metrics` where `data` holds measured values, `message` otherwise"
    )
    message: str = Field(description="What happened, in words")
    data: dict[str, Any] | None = Field(None, description="Values that belong to the event")


class JobEventPage(Schema):
    """One page of `GET /v1/fine_tuning/jobs/{id}/events`."""

    object: str = Field("list", description="Kind of the object, as in the OpenAI API")
    data: list[JobEvent] = Field(description="Events in the order in which they happened")
    has_more: bool = Field(False, description="Whether further events follow on the next page")


class FileObject(Schema):
    """An uploaded file, in the form of the OpenAI API."""

    id: str = Field(description="Id of the file")
    object: str = Field("file", description="Kind of the object, as in the OpenAI API")
    bytes: int = Field(description="Size in bytes")
    created_at: int = Field(description="Time of upload, in seconds since 1970 (UTC)")
    filename: str = Field(description="Name that the client gave the file")
    purpose: str = Field("fine-tune", description="What the file is for, as in the OpenAI API")
    sha256: str = Field(description="SHA-256 of the content, hex")
