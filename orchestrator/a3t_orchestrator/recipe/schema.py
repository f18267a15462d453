"""The run recipe. Defaults are the paper's settings; unknown keys are refused; cross-field checks name the key."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from a3t_contracts.schemas import Environment, Name, PromptStyle, Schema, Tracker

from .exploration import Compose, Pairing
from .learning import Training
from .tasks import Data, HeldOut, Recorded, Round0

__all__ = ["Evaluation", "Limits", "Recipe"]


class Evaluation(Schema):
    """How agents are evaluated. By default every agent plays each held-out task once, greedily."""

    splits: list[str] | None = Field(
        None, description="Splits of `data.held_out` that are evaluated; null evaluates all of them"
    )
    every_round: bool = Field(
        True,
        description="Whether the agent is evaluated after every round. False evaluates it after the last round only",
    )
    training_tasks: bool = Field(
        True,
        description="Whether the last agent is also evaluated on the training tasks. False by default where "
        "`collect` is `recorded`",
    )
    temperature: float = Field(0.0, ge=0, le=5, description="Sampling temperature of evaluation episodes; 0 is greedy")


class Limits(Schema):
    """Limits of episodes, calls and waiting times."""

    max_steps: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Largest number of steps in an episode; null takes the limit of the environment",
    )
    max_invalid: int | None = Field(
        None,
        ge=1,
        description="Number of invalid actions in a row that end an episode of the agent's own trial or of "
        "evaluation as failed; null never ends an episode for this reason",
    )
    max_stale: int | None = Field(
        None,
        ge=1,
        description="Number of steps in a row without a new observation that end an episode of the agent's own trial "
        "or of evaluation as failed; null never ends an episode for this reason",
    )
    max_tokens: int = Field(
        96,
        ge=4,
        le=4096,
        description="Largest number of tokens that the policy generates in one turn (thought and action)",
    )
    chunk: int = Field(
        128,
        ge=1,
        le=4096,
        description="Largest number of episodes in one task of the queue; a worker takes one such task at a time",
    )
    concurrency: int = Field(
        64,
        ge=1,
        le=1024,
        description="Largest number of episodes of one queue task that a worker plays at the same time",
    )
    episode_retries: int = Field(
        3, ge=0, description="Number of times that an episode is started again after its session or a service was lost"
    )
    deliveries: int = Field(
        5, ge=1, description="Number of times that an episode is sent to workers before the run gives it up"
    )
    outage_seconds: float = Field(
        180,
        gt=0,
        description="Seconds for which calls of a service that does not answer are repeated, before an episode fails",
    )
    call_seconds: float = Field(120, gt=0, description="Deadline of one call to a service, in seconds")
    episode_seconds: float = Field(1800, gt=0, description="Deadline of one episode, in seconds")
    training_seconds: float = Field(86400, gt=0, description="Deadline of one fine-tuning job, in seconds")
    max_lost_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest share of a phase's episodes that may be given up; if more are given up, the run fails. "
        "Unless this is 0, one episode may be given up in any phase of two or more",
    )


class Recipe(Schema):
    """Everything that a run depends on."""

    name: Name = Field(description="Name of the recipe. Its runs are called `NAME-DATE-TIME`")
    environment: Environment = Field(description="Environment in which the agent acts")
    engine: str | None = Field(
        None,
        description="Engine (implementation) of the environment to play on, one of those that `GET /v1/environments` "
        "lists; null takes the default of the env service",
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="Options of the environment's sessions, by name; the documentation page of each environment "
        "lists them",
    )
    base_model: str = Field(
        "a3t/tiny",
        description="Base model of all adapters: a folder, a model id of the Hugging Face Hub, or a model that ships "
        "with A³T",
    )
    prompt: PromptStyle = Field(
        PromptStyle.plain,
        description="How the agent reads its history. `plain`: as text in the ReAct format. `chat`: the same texts "
        "in messages of the base's chat template, for bases that were tuned to chat; the policy service needs a "
        "backend that takes and returns token ids (local, or openai with vLLM)",
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw: tasks, sampled actions and tokens")
    rounds: int = Field(3, ge=0, description="Number of rounds after round 0")
    collect: Literal["played", "recorded"] = Field(
        "played",
        description="Where the episodes of a round come from. `played`: workers play them in the env service. "
        "`recorded`: an agent of your own plays them with the policy service, which records them; the run waits for "
        "them. No episodes are composed then, and the episodes on held-out tasks are recorded as well",
    )
    recorded: Recorded = Field(default_factory=Recorded, description="What a run with `collect: recorded` waits for")
    data: Data = Field(default_factory=Data, description="Tasks to learn from and to be evaluated on")
    round0: Round0 = Field(default_factory=Round0, description="How the first agent is made")
    compose: Compose = Field(default_factory=Compose, description="How failed tasks are explored")
    pairing: Pairing = Field(default_factory=Pairing, description="Which episodes are trained on")
    training: Training = Field(default_factory=Training, description="How adapters are trained")
    evaluation: Evaluation = Field(default_factory=Evaluation, description="How agents are evaluated")
    limits: Limits = Field(default_factory=Limits, description="Limits of episodes, calls and waiting times")
    trackers: list[Tracker] | None = Field(
        None,
        description="Experiment trackers that receive the figures of every round and of the fine-tuning jobs; null "
        "takes those of A3T_TRACKERS, an empty list takes none",
    )
    fast: dict[str, Any] = Field(
        default_factory=dict, description="Keys of the recipe that `a3t run --fast` replaces, for a short trial"
    )

    @model_validator(mode="before")
    @classmethod
    def _recorded_defaults(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("collect") != "recorded":
            return values
        defaults: dict[str, dict[str, Any]] = {
            "round0": {"mode": "none"},
            "pairing": {"own_successes": True},
            "evaluation": {"training_tasks": False},
        }
        given = {section: values.get(section) or {} for section in defaults}
        fitting = {s: part | given[s] for s, part in defaults.items() if isinstance(given[s], dict)}
        return values | fitting

    @model_validator(mode="after")
    def _check_recorded(self) -> Recipe:
        if self.collect != "recorded":
            return self
        if self.round0.mode != "none" or self.round0.evaluate_base:
            raise ValueError("collect is recorded, so round0.mode must be none and round0.evaluate_base false")
        if self.evaluation.training_tasks:
            raise ValueError("collect is recorded, so evaluation.training_tasks must be false")
        if self.training.objective.name == "label_prefix":
            raise ValueError("collect is recorded, so training.objective.name cannot be label_prefix")
        return self

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
        """Number of the first round: 0, or 1 if there is no round 0."""
        return 1 if self.round0.mode == "none" else 0

    @property
    def evaluation_splits(self) -> list[HeldOut]:
        """The held-out sets that are evaluated."""
        wanted = self.evaluation.splits
        return [h for h in self.data.held_out if wanted is None or h.split in wanted]
