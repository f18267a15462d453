"""The run recipe. Defaults are the paper's settings; unknown keys are refused; cross-field checks name the key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from a3t_contracts.schemas import Environment, Name, Objective, Optimisation, Schema, TrainingSettings

__all__ = [
    "Compose",
    "Data",
    "Evaluation",
    "HeldOut",
    "Limits",
    "Pairing",
    "Recipe",
    "Round0",
    "Round0Training",
    "Training",
]


class HeldOut(Schema):
    """Tasks that are only ever evaluated on."""

    split: str = Field(description="Split of the environment, e.g. valid_seen")
    tasks: int | None = Field(None, ge=1, description="How many, drawn by the run's seed; null: all")


class Data(Schema):
    """Which tasks the run learns from and which it is measured on."""

    split: str = Field("train", description="Split of the training tasks; nothing is collected elsewhere")
    tasks: int | None = Field(None, ge=1, description="How many training tasks, drawn by the run's seed; null: all")
    types: list[str] | None = Field(None, description="Only tasks of these types; null: all types")
    held_out: list[HeldOut] = Field(default_factory=list, description="What the agent is evaluated on")


class Round0(Schema):
    """How the first agent comes about (paper §5)."""

    mode: Literal["demonstrations", "few_shot", "none"] = Field(
        "demonstrations",
        description="demonstrations: actions of the scripted expert, reasons by ActRe; few_shot: episodes of the "
        "prompted base model, successes only; none: round 1 begins with the base model",
    )
    demonstrations: int = Field(60, ge=1, description="Training tasks that are demonstrated, once each, at most")
    attempts: int = Field(1, ge=1, description="few_shot: episodes a task, until the first success")
    preamble: str | None = Field(
        None, description="few_shot: file of the worked example in front of each episode; null: the built-in one"
    )
    temperature: float = Field(0.7, ge=0, le=5, description="few_shot: temperature of attempts after the first")
    annotator: str | None = Field(None, description="Annotator of the reasons; null: the service's default")
    evaluate_base: bool = Field(False, description="Evaluate the untrained base model, too")


class Compose(Schema):
    """Exploring failed tasks with sampled actions and ActRe's reasons (paper §2)."""

    p: float = Field(0.1, ge=0, le=1, description="Probability that a step's action is sampled")
    invalid_streak: int | None = Field(
        3, ge=1, description="After this many invalid policy actions in a row one action is sampled; null: never"
    )
    samples: int = Field(40, ge=1, description="Most composed episodes of a failed task in a round")
    first: int | None = Field(
        None, ge=1, description="So many at first, whatever they bring; null: all of `samples` at once"
    )
    stop_at_successes: int | None = Field(
        None, ge=1, description="After `first`, stop at this many successes of the task; null: never"
    )
    wave: int = Field(1, ge=1, description="After `first`, so many at a time")
    max_failed_tasks: int | None = Field(None, ge=1, description="Compose for at most so many tasks; null: all failed")
    max_steps: int | None = Field(
        None, ge=1, le=1000, description="Steps of a composed episode; null: as limits.max_steps"
    )
    temperature: float = Field(1.0, ge=0, le=5, description="Temperature of the policy's own turns")
    top_p: float = Field(1.0, gt=0, le=1, description="Nucleus of the policy's own turns")
    annotator: str | None = Field(None, description="Annotator of the reasons; null: the service's default")
    reasons: bool = Field(True, description="false: sampled actions get no reason (ablation)")
    avoid_policy_action: bool = Field(
        True, description="Ask the policy first at a sampled step, and never sample what it would have done"
    )

    @model_validator(mode="after")
    def _waves_fit(self) -> Compose:
        if self.first is not None and self.first > self.samples:
            raise ValueError(f"compose.first is {self.first}, more than compose.samples ({self.samples})")
        if self.stop_at_successes is not None and self.first is None:
            raise ValueError("compose.stop_at_successes needs compose.first: how many to run before it is looked at")
        return self


class Pairing(Schema):
    """Which episodes enter the training set (paper §3)."""

    own_successes: bool = Field(False, description="The policy's own successes enter, too")
    failures: bool = Field(True, description="The policy's own failure enters where its task has a success")
    scope: Literal["accumulated", "round"] = Field(
        "accumulated", description="Where a failure's success may come from: any round so far, or its own round"
    )
    max_failure_share: float | None = Field(
        None, gt=0, lt=1, description="Largest share of failures in the set, drawn by the seed; null: no bound"
    )
    max_successes_per_task: int | None = Field(None, ge=1, description="Most successes of a task and round; null: all")
    prefer: Literal["first", "shortest"] = Field(
        "first", description="Which of them: those with the lowest sample numbers, or with the fewest steps"
    )


class Round0Training(TrainingSettings):
    """What round 0 trains with: supervised, 10 epochs in the paper."""

    objective: Objective = Field(default_factory=lambda: Objective.model_validate({"name": "sft"}))
    optimisation: Optimisation = Field(default_factory=lambda: Optimisation(epochs=10))


class Training(TrainingSettings):
    """What rounds 1.. train with, and round 0 where it differs."""

    start: Literal["restart", "continue"] = Field(
        "restart", description="restart: each round from the base; continue: from the round before"
    )
    optimisation: Optimisation = Field(default_factory=lambda: Optimisation(average_checkpoints=4))
    round0: Round0Training = Field(default_factory=Round0Training)

    @model_validator(mode="after")
    def _continue_keeps_shape(self) -> Training:
        ours, first = self.lora, self.round0.lora
        if self.start == "continue" and (ours.rank, ours.target_modules) != (first.rank, first.target_modules):
            raise ValueError("training.start is continue, so training.lora and training.round0.lora need equal shapes")
        return self


class Evaluation(Schema):
    """One greedy trial a task unless told otherwise."""

    splits: list[str] | None = Field(None, description="Which of data.held_out; null: all of them")
    every_round: bool = Field(True, description="false: after the last round only")
    training_tasks: bool = Field(True, description="Measure the last agent on the training tasks, too")
    temperature: float = Field(0.0, ge=0, le=5, description="0 is greedy")


class Limits(Schema):
    """Bounds of episodes and of waiting."""

    max_steps: int | None = Field(None, ge=1, le=1000, description="Steps of an episode; null: the environment's cap")
    max_invalid: int | None = Field(
        None, ge=1, description="End an own or evaluation episode after so many invalid actions in a row; null: never"
    )
    max_tokens: int = Field(96, ge=4, le=4096, description="Tokens of one turn")
    chunk: int = Field(128, ge=1, le=4096, description="Episodes of one queue task")
    concurrency: int = Field(64, ge=1, le=1024, description="Episodes of a task that run at the same time")
    episode_retries: int = Field(3, ge=0, description="Restarts of an episode whose session or service was lost")
    deliveries: int = Field(5, ge=1, description="Deliveries of an episode to workers before it is given up")
    outage_seconds: float = Field(180, gt=0, description="How long a service may be away before an episode fails")
    call_seconds: float = Field(120, gt=0, description="Deadline of one call to a service")
    episode_seconds: float = Field(1800, gt=0, description="Deadline of one episode")
    training_seconds: float = Field(86400, gt=0, description="Deadline of one fine-tuning job")
    max_lost_share: float = Field(
        0.05, ge=0, le=1, description="A phase that lost a larger share of its episodes fails the run"
    )


class Recipe(Schema):
    """A run, from its tasks to its last evaluation."""

    name: Name = Field(description="Runs are called <name>-<date>-<time>")
    environment: Environment
    engine: str | None = Field(None, description="Engine of the environment; null: its default")
    options: dict[str, str] = Field(default_factory=dict, description="Options of the environment's sessions")
    base_model: str = Field("a3t/tiny", description="Folder, hub id, or a model that ships")
    seed: int = Field(0, ge=0, description="Draws tasks, actions and tokens")
    rounds: int = Field(3, ge=0, description="Rounds after round 0")
    data: Data = Field(default_factory=Data)
    round0: Round0 = Field(default_factory=Round0)
    compose: Compose = Field(default_factory=Compose)
    pairing: Pairing = Field(default_factory=Pairing)
    training: Training = Field(default_factory=Training)
    evaluation: Evaluation = Field(default_factory=Evaluation)
    limits: Limits = Field(default_factory=Limits)
    fast: dict[str, Any] = Field(default_factory=dict, description="What `--fast` changes: keys of the recipe")

    @model_validator(mode="after")
    def _check_data(self) -> Recipe:
        held_out = [h.split for h in self.data.held_out]
        if self.data.split in held_out:
            raise ValueError(f"data.held_out names {self.data.split!r}, the split that data.split trains on")
        if len(set(held_out)) != len(held_out):
            raise ValueError("data.held_out names a split twice")
        unknown = set(self.evaluation.splits or ()) - set(held_out)
        if unknown:
            raise ValueError(f"evaluation.splits names {sorted(unknown)}, which data.held_out does not")
        return self

    @model_validator(mode="after")
    def _check_rounds(self) -> Recipe:
        if self.rounds == 0 and self.round0.mode == "none":
            raise ValueError("rounds is 0 and round0.mode is none: there is nothing to do")
        wanted = self.round0.demonstrations if "demonstrations" in self.round0.model_fields_set else 0
        if self.round0.mode == "demonstrations" and self.data.tasks is not None and wanted > self.data.tasks:
            raise ValueError(f"round0.demonstrations is more than data.tasks ({self.data.tasks})")
        return self

    @property
    def first_round(self) -> int:
        """0, or 1 where there is no round 0."""
        return 1 if self.round0.mode == "none" else 0

    @property
    def evaluation_splits(self) -> list[HeldOut]:
        """The held-out sets that are evaluated."""
        wanted = self.evaluation.splits
        return [h for h in self.data.held_out if wanted is None or h.split in wanted]
