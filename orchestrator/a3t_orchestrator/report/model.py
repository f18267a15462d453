"""Schema of a report: the figures of a run and of each of its rounds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from a3t_contracts.schemas import PublishedFigures, Trajectory

from .stats import Score

__all__ = ["Composition", "Evaluated", "KeptTask", "Report", "RoundReport", "Spent"]


class Evaluated(BaseModel):
    """Results of an agent on a split, with one trial per task. `accumulated` counts the best trial of each task over
    the rounds so far (paper §5)."""

    split: str = Field(description="Split of the tasks")
    single: Score = Field(description="Score of this agent alone, one trial per task")
    accumulated: Score = Field(description="Score of the best trial of each task over the rounds so far")
    by_type: dict[str, Score] = Field(description="Score of this agent by type of task")


class Composition(BaseModel):
    """Exploration of a round: how many composed episodes were played and how many succeeded."""

    failed_tasks: int = Field(0, description="Number of training tasks at which the agent's own trial failed")
    composed: int = Field(0, description="Composed episodes")
    kept: int = Field(0, description="Composed episodes that succeeded")
    rescued: int = Field(0, description="Number of failed tasks with at least one composed success")
    steps: int = Field(
        0, description="Number of steps of composed episodes, including steps that were copied from a failed trial"
    )
    sampled_steps: int = Field(0, description="Number of steps of composed episodes whose action was sampled")
    sampled_by_coin: int = Field(0, description="Number of those that were sampled by chance, with probability p")
    sampled_by_invalid: int = Field(
        0, description="Number of those that were sampled after several invalid actions in a row"
    )
    hindsight: int = Field(
        0,
        description="Number of failed composed episodes that became a success of another task; `kept` and `rescued` do "
        "not count them",
    )


class Spent(BaseModel):
    """Cost of a round: wall-clock seconds by phase, tokens read and written by the policy."""

    seconds: dict[str, float] = Field(description="Wall-clock seconds by phase")
    episodes: int = Field(description="Episodes played")
    prompt_tokens: int = Field(description="Number of prompt tokens that the policy read")
    completion_tokens: int = Field(description="Number of tokens that the policy generated")


class RoundReport(BaseModel):
    """One round and the agent that it made."""

    round: int = Field(description="Number of the round, from 0")
    version: str | None = Field(description="Adapter version that the round made; null before it is trained")
    status: str = Field(description="`running` or `finished`")
    demonstrations: int = Field(description="Number of successful demonstrations")
    trial: Score = Field(description="Score of the previous round's agent on the training tasks")
    training: Score | None = Field(
        description="Score of this round's agent on the training tasks; null where it was not tried"
    )
    composition: Composition = Field(description="Exploration of the round")
    hindsight: dict[str, int] = Field(
        default_factory=dict,
        description="Number of failed composed episodes that became a success of another task, by type of that task",
    )
    training_successes: int = Field(description="Number of successful trajectories in the training set")
    training_failures: int = Field(description="Number of failed trajectories in the training set")
    loss: float | None = Field(description="Last training loss; null before training")
    loss_parts: dict[str, float] = Field(description="Last training loss by part, in nats per token")
    evaluations: list[Evaluated] = Field(description="Score of this round's agent on each held-out split")
    lost: int = Field(description="Number of episodes that were given up")
    stop_reasons: dict[str, dict[str, int]] = Field(
        description="By phase and reason, the number of episodes that ended for this reason"
    )
    made_up_observations: dict[str, int] = Field(
        description="By phase, the number of turns that were cut in front of an observation that the policy made up"
    )
    spent: Spent = Field(description="Time and tokens that the round took")


class KeptTask(BaseModel):
    """Composed episodes of a task over all rounds."""

    task_id: str = Field(description="Id of the task")
    task_type: str = Field(description="Type of the task")
    composed: int = Field(description="Composed episodes of the task")
    kept: int = Field(description="Number of those that succeeded")


class Report(BaseModel):
    """The report of a run; all figures are from the database."""

    run: str = Field(description="Name of the run")
    status: str = Field(description="Status of the run")
    environment: str = Field(description="Environment of the run")
    base_model: str = Field(description="Base model of the run")
    seed: int = Field(description="Seed of the run")
    commit: str = Field(description="Commit of the code that began the run; empty where it is not known")
    recipe: dict[str, Any] = Field(description="The recipe, with everything that it extends")
    recipe_sha256: str = Field(description="SHA-256 of the recipe, hex")
    created_at: datetime = Field(description="Time at which the run was created (UTC)")
    finished_at: datetime | None = Field(description="Time at which the run finished (UTC); null before")
    error: str | None = Field(description="Why the run failed; null where it did not")
    base: list[Evaluated] = Field(
        description="Score of the base model on each held-out split; empty where it was not evaluated"
    )
    rounds: list[RoundReport] = Field(description="The rounds in order")
    kept: list[KeptTask] = Field(description="Composed episodes by task, over all rounds")
    lost: list[str] = Field(description="Why episodes were given up, one text each")
    examples: list[Trajectory] = Field(description="A few whole trajectories")
    published: PublishedFigures | None = Field(
        None, description="Published results of others in the same environment; null where there are none"
    )
