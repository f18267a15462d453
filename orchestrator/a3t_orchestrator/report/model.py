"""Schema of a report: the figures of a run and of each of its rounds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel

from a3t_contracts.schemas import PublishedFigures, Trajectory

from .stats import Score

__all__ = ["Composition", "Evaluated", "KeptTask", "Report", "RoundReport", "Spent"]


class Evaluated(BaseModel):
    """An agent on a split, one trial a task; `accumulated`: best of each task over the rounds so far (paper §5)."""

    split: str
    single: Score
    accumulated: Score
    by_type: dict[str, Score]


class Composition(BaseModel):
    """Exploration of a round. `kept` are successes, `rescued` the failed tasks that got at least one."""

    failed_tasks: int = 0
    composed: int = 0
    kept: int = 0
    rescued: int = 0
    sampled_steps: int = 0
    sampled_by_coin: int = 0
    sampled_by_invalid: int = 0


class Spent(BaseModel):
    """What a round took: wall-clock seconds by phase, tokens read and written by the policy."""

    seconds: dict[str, float]
    episodes: int
    prompt_tokens: int
    completion_tokens: int


class RoundReport(BaseModel):
    """One round and the agent that it made."""

    round: int
    version: str | None
    status: str
    demonstrations: int
    trial: Score
    """The agent of the round before, on the training tasks."""
    training: Score | None
    """This round's agent on the training tasks, where it was tried."""
    composition: Composition
    training_successes: int
    training_failures: int
    loss: float | None
    loss_parts: dict[str, float]
    evaluations: list[Evaluated]
    lost: int
    stop_reasons: dict[str, dict[str, int]]
    made_up_observations: dict[str, int]
    """Phase → turns that were cut in front of an observation that the policy made up."""
    spent: Spent


class KeptTask(BaseModel):
    """Composed episodes of a task over all rounds."""

    task_id: str
    task_type: str
    composed: int
    kept: int


class Report(BaseModel):
    """A run, from the database alone."""

    run: str
    status: str
    environment: str
    base_model: str
    seed: int
    commit: str
    recipe: dict[str, Any]
    recipe_sha256: str
    created_at: datetime
    finished_at: datetime | None
    error: str | None
    base: list[Evaluated]
    rounds: list[RoundReport]
    kept: list[KeptTask]
    lost: list[str]
    examples: list[Trajectory]
    published: PublishedFigures | None = None
    """Figures of others on the same environment."""
