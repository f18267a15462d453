"""Schemas of runs, their progress and their failures in the orchestrator's API."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from ..errors import Problem
from .base import MAX_INT, Name, Schema
from .job import JobStatus

__all__ = [
    "Failure",
    "FailurePage",
    "RecipeInfo",
    "RunCreate",
    "RunDeleted",
    "RunEvent",
    "RunInfo",
    "RunProgress",
    "RunResume",
    "RunStatus",
    "TrainingState",
    "Wanted",
]


class RunStatus(StrEnum):
    """State of a run."""

    planned = "planned"
    queued = "queued"
    running = "running"
    paused = "paused"
    cancelled = "cancelled"
    interrupted = "interrupted"
    failed = "failed"
    finished = "finished"

    @property
    def active(self) -> bool:
        """Whether a driver drives the run, or the run waits for one."""
        return self in (RunStatus.queued, RunStatus.running)

    @property
    def ended(self) -> bool:
        """Whether the run has stopped until someone resumes it. A paused run does not count as ended."""
        return self in (RunStatus.cancelled, RunStatus.interrupted, RunStatus.failed, RunStatus.finished)


class Wanted(StrEnum):
    """The state that a user asked for. The run's driver, in whichever process it is, follows within about a second."""

    running = "running"
    paused = "paused"
    cancelled = "cancelled"


class RunCreate(Schema):
    """A request to begin a run."""

    model_config = ConfigDict(serialize_by_alias=True, validate_by_name=True, validate_by_alias=True)

    recipe: Annotated[str, StringConstraints(min_length=1, max_length=128)] | dict[str, Any] = Field(
        description="The recipe: its keys and values, or the name of one that `GET /v1/recipes` lists. `extends` may "
        "name presets, not files"
    )
    name: Name | None = Field(
        None, description="Name of the run; null makes a name from the recipe's name, the date and the time"
    )
    source: Name | None = Field(
        None, alias="from", description="Run whose phases are copied, up to the first in which the recipes differ"
    )
    rounds: int | None = Field(
        None, ge=0, le=MAX_INT, description="Number of rounds after round 0; null takes the number in the recipe"
    )
    fast: bool = Field(False, description="Whether the recipe's `fast` section is applied")
    overrides: list[Annotated[str, StringConstraints(max_length=4096)]] = Field(
        default_factory=list, max_length=256, description="Changes of single keys, each `key.path=value`"
    )


class RunResume(Schema):
    """A request to resume a run."""

    rounds: int | None = Field(
        None, ge=0, le=MAX_INT, description="New number of rounds after round 0, more than the run has; null keeps it"
    )


class RunInfo(Schema):
    """A run as a list shows it."""

    name: str = Field(description="Name of the run")
    recipe: str = Field(description="Name of the run's recipe")
    environment: str = Field(description="Environment of the run")
    status: RunStatus = Field(
        description="`planned`: a command is about to drive the run. `queued`: the run waits for a driver. "
        "`running`: a driver drives it. `paused`, `cancelled`: a user asked for it. `interrupted`: the process that "
        "drove it was stopped. `failed`: it ended with an error. `finished`: it is complete"
    )
    wanted: Wanted = Field(
        description="State that a user asked for. Where it differs from `status`, the driver has not followed yet"
    )
    round: int = Field(description="Number of the current round")
    rounds: int = Field(description="Number of the last round")
    phase: str = Field(description="Current phase; empty before the first")
    seed: int = Field(description="Seed of the run")
    commit: str = Field(description="Commit of the code that began the run; empty where it is not known")
    source: str | None = Field(
        None, description="Run whose phases this run began with a copy of; null where there is none"
    )
    driver: str | None = Field(
        None, description="Host and process that drive the run now; null where none does or its lease has ended"
    )
    error: str | None = Field(description="Why the run failed; null where it did not")
    problem: Problem | None = Field(None, description="The error as a problem document; null where there is none")
    created_at: datetime = Field(description="Time at which the run was created (UTC)")
    updated_at: datetime = Field(description="Time of the last change (UTC)")
    finished_at: datetime | None = Field(description="Time at which the run finished (UTC); null before")


class RunEvent(Schema):
    """An event of a run."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(description="Number of the event; later events have higher ones")
    round: int = Field(description="Number of the round")
    at: datetime = Field(description="Time of the event (UTC)")
    level: str = Field(description="`info`, `warn` or `error`")
    kind: str = Field(description="What happened, as a name: `published` (a version went live), `round_finished`, …")
    message: str = Field(description="What happened, in words")
    data: dict[str, Any] = Field(description="Values that belong to the event")


class TrainingState(Schema):
    """The fine-tuning job that a run waits for."""

    job_id: str = Field(description="Id of the job at the trainer")
    version: str = Field(description="Adapter version that the job will publish")
    status: JobStatus = Field(description="State of the job")
    step: int = Field(0, description="Number of optimiser steps done")
    total_steps: int | None = Field(None, description="Number of optimiser steps in all; null until it is known")
    loss: float | None = Field(None, description="Loss of the last optimiser step; null before the first one")
    eta_seconds: float | None = Field(None, description="Estimated seconds until the job ends; null if unknown")


class RunProgress(Schema):
    """Progress of the current phase, as the run's driver stored it last (about once a second)."""

    run: str = Field(description="Name of the run")
    status: RunStatus = Field(description="Status of the run")
    wanted: Wanted = Field(description="What the run was asked to do")
    round: int = Field(description="Number of the current round")
    rounds: int = Field(description="Number of the last round")
    phase: str = Field(description="Current phase; empty before the first")
    label: str = Field(description="The phase in words; empty before the first")
    scored: bool = Field(True, description="Whether the phase's episodes end in success or failure")
    total: int = Field(0, description="Number of episodes of the phase that are planned so far")
    done: int = Field(0, description="Number of episodes of the phase that are done")
    lost: int = Field(0, description="Number of episodes of the phase that were given up")
    successes: int = Field(0, description="Number of successful episodes of the phase")
    done_before: int = Field(
        0, description="Number of episodes that were already done when the driver began this pass of the phase"
    )
    successes_before: int = Field(0, description="Number of successful episodes from before this pass")
    resumed: bool = Field(False, description="Whether the phase was begun by another driver, and this one continues it")
    seconds: float = Field(0.0, description="Length of this pass so far, in seconds")
    eta_seconds: float | None = Field(
        None, description="Estimated seconds until the phase, or its training job, ends; null if unknown"
    )
    job: TrainingState | None = Field(None, description="The fine-tuning job under way; null in other phases")
    updated_at: datetime | None = Field(None, description="Time at which the driver stored this (UTC); null before")


class RunDeleted(Schema):
    """Reply to the deletion of a run: what was removed with it."""

    run: str = Field(description="Name of the run that was removed")
    trajectories: int = Field(description="Number of trajectories that were removed")
    work_items: int = Field(description="Number of work items that were removed")
    events: int = Field(description="Number of events that were removed")
    adapters: list[str] = Field(description="Adapter versions that the run published. They stay in the registry")
    note: str = Field(description="What is left to do about the adapter versions, in words")


class RecipeInfo(Schema):
    """A recipe that ships with the orchestrator."""

    name: str = Field(description="Name to begin a run with: the file's name without its ending")
    title: str = Field(description="First sentence of the description")
    description: str = Field(description="What the recipe does and needs, in words")
    environment: str = Field(description="Environment in which the agent acts")
    base_model: str = Field(description="Base model of the adapters")
    rounds: int = Field(description="Number of rounds after round 0")
    fast: bool = Field(description="Whether the recipe has a `fast` section for a short trial")


class Failure(Schema):
    """An episode that was given up (a dead letter)."""

    id: str = Field(description="Id of the work item; the episode's trajectory would have the same")
    run: str = Field(description="Name of the run")
    round: int = Field(description="Number of the round")
    phase: str = Field(description="Phase that the episode belongs to")
    kind: str = Field(description="What the episode was to be played for")
    split: str = Field(description="Split of the task")
    task_id: str = Field(description="Id of the task")
    task_type: str = Field(description="Type of the task")
    sample: int = Field(description="Number of the episode among those of its task, kind and round, from 0")
    attempts: int = Field(description="Number of times that the episode was begun")
    reason: str = Field(description="The last error")
    at: datetime = Field(description="Time at which the episode was given up (UTC)")


class FailurePage(Schema):
    """One page of failures, the newest first."""

    failures: list[Failure] = Field(description="The failures of the page")
    total: int = Field(description="Number of failures over all pages")
    next_offset: int | None = Field(description="`offset` of the next page; null on the last")
