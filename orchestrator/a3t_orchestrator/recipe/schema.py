"""The run recipe. Defaults are the paper's settings; unknown keys are refused; cross-field checks name the key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from a3t_contracts.schemas import (
    Environment,
    Name,
    Objective,
    ObjectiveName,
    Optimisation,
    PromptStyle,
    Schema,
    Tracker,
    TrainingSettings,
)

__all__ = [
    "Compose",
    "Data",
    "Evaluation",
    "HeldOut",
    "Limits",
    "Pairing",
    "Recipe",
    "Recorded",
    "Round0",
    "Round0Training",
    "Training",
]


class HeldOut(Schema):
    """A set of tasks that the agent is only evaluated on. No episode of these tasks is ever trained on."""

    split: str = Field(description="Name of a split of the environment, for example `test`")
    tasks: int | None = Field(
        None,
        ge=1,
        description="Number of tasks to draw from the split, at random by the seed of the run; null takes all tasks",
    )


class Data(Schema):
    """The tasks that the run learns from, and the tasks that it is evaluated on."""

    split: str = Field(
        "train",
        description="Split that holds the training tasks. Episodes for training are collected on this split only",
    )
    tasks: int | None = Field(
        None,
        ge=1,
        description="Number of training tasks to draw from the split, at random by the seed of the run; null takes all "
        "tasks",
    )
    types: list[str] | None = Field(None, description="Task types to draw from; null draws from all types")
    generate: list[str] | None = Field(
        None,
        description="Arguments of `a3t data generate ENVIRONMENT` by which `a3t demo` makes the tasks first; null "
        "where the environment brings its tasks with it",
    )
    held_out: list[HeldOut] = Field(default_factory=list, description="Sets of tasks that the agent is evaluated on")


class Round0(Schema):
    """How the run makes its first agent (paper §5)."""

    mode: Literal["demonstrations", "imported", "few_shot", "none"] = Field(
        "demonstrations",
        description="Where the episodes of round 0 come from. `demonstrations`: the scripted expert acts and ActRe "
        "writes the reasons. `imported`: the successes of the run `source` are the demonstrations, and ActRe "
        "writes the reasons that they lack. `few_shot`: the base model plays with a worked example in its prompt, and "
        "its successful episodes are kept. `none`: there is no round 0, and round 1 begins with the base model. "
        "Where `collect` is `recorded`, the default is `none`",
    )
    demonstrations: int = Field(
        60,
        ge=1,
        description="Largest number of training tasks that the expert demonstrates, one episode each. Used in the mode "
        "`demonstrations`",
    )
    source: Name | None = Field(
        None,
        description="Run whose successes are the demonstrations: one that `a3t import` made, or any other. Used in the "
        "mode `imported`",
    )
    attempts: int = Field(
        1,
        ge=1,
        description="Largest number of episodes for each task; a task gets no further episode after its first success. "
        "Used in the mode `few_shot`",
    )
    preamble: str | None = Field(
        None,
        description="Path of the file with the worked example that stands in front of each episode; null takes the "
        "built-in example. Used in the mode `few_shot`",
    )
    temperature: float = Field(
        0.7,
        ge=0,
        le=5,
        description="Sampling temperature of the second and later attempts; the first attempt is greedy. Used in the "
        "mode `few_shot`",
    )
    annotator: str | None = Field(
        None,
        description="Which annotator of the ActRe service writes the reasons, `template` or `llm`; null takes the "
        "default of the service",
    )
    evaluate_base: bool = Field(False, description="Whether the base model is evaluated before round 0")

    @model_validator(mode="after")
    def _check_source(self) -> Round0:
        if (self.mode == "imported") != (self.source is not None):
            raise ValueError("source names the run of the mode imported: set both, or neither")
        return self


class Recorded(Schema):
    """Which episodes a run with `collect: recorded` waits for. An agent of your own plays them, and the policy service
    records them."""

    episodes: int | None = Field(
        None,
        ge=1,
        description="Number of recorded episodes on training tasks that a round waits for before it trains; null waits "
        "for as many as there are training tasks",
    )
    tasks: list[Annotated[str, Field(min_length=1, max_length=512)]] | None = Field(
        None,
        min_length=1,
        description="Ids of the training tasks; null takes those of the env service where it knows the environment, "
        "otherwise every task that is recorded",
    )
    wait_seconds: float = Field(
        86400,
        gt=0,
        description="Longest time that a phase waits for recorded episodes, in seconds; then the run fails, and "
        "`--resume` goes on waiting",
    )


class Compose(Schema):
    """How the agent explores tasks that it failed (paper §2): some actions are sampled, ActRe writes their reasons."""

    p: float = Field(
        0.1,
        ge=0,
        le=1,
        description="Probability that the action of a step is sampled from the action space of the environment instead "
        "of chosen by the policy",
    )
    invalid_streak: int | None = Field(
        3,
        ge=1,
        description="Number of invalid actions of the policy in a row after which the next action is sampled; null "
        "disables this rule",
    )
    repeats: bool = Field(
        False,
        description="Whether an action is sampled where the policy is about to repeat an action that it took in the "
        "episode after the same observation",
    )
    unsure_below: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Probability of the least likely token of the policy's turn below which an action is sampled in "
        "place of its own; null disables this rule. It needs a policy service that returns log-probabilities",
    )
    branch: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the composed episodes that begin with the steps of the agent's own failed trial, up to "
        "the first repeated or invalid action, or the step at which the policy was least sure; there an action is "
        "sampled",
    )
    samples: int = Field(40, ge=1, description="Largest number of composed episodes for each failed task in one round")
    first: int | None = Field(
        None,
        ge=1,
        description="Number of episodes that every failed task gets before successes are counted; null plays all "
        "`samples` at once",
    )
    stop_at_successes: int | None = Field(
        None,
        ge=1,
        description="Number of successful episodes after which a task gets no further episode. Counted after the first "
        "`first` episodes, which `first` must therefore name; null never stops early",
    )
    wave: int = Field(
        1, ge=1, description="Number of further episodes that a task gets at a time, after its first `first` episodes"
    )
    max_failed_tasks: int | None = Field(
        None,
        ge=1,
        description="Largest number of failed tasks that are explored in a round, drawn at random by the seed; null "
        "explores all of them",
    )
    max_steps: int | None = Field(
        None, ge=1, le=1000, description="Largest number of steps in a composed episode; null takes `limits.max_steps`"
    )
    max_stale: int | None = Field(
        None,
        ge=1,
        description="Number of steps in a row without an observation that is new in the episode that end a composed "
        "episode as failed; null never ends one for this reason",
    )
    temperature: float = Field(1.0, ge=0, le=5, description="Sampling temperature of the policy in composed episodes")
    top_p: float = Field(
        1.0,
        gt=0,
        le=1,
        description="Probability mass that nucleus sampling keeps for the policy in composed episodes; 1 keeps all "
        "tokens",
    )
    propose: Literal["auto", "environment", "policy"] = Field(
        "auto",
        description="Who proposes the action of a sampled step. `environment`: it draws one of its action space. "
        "`policy`: the policy writes one at `propose_temperature`. `auto`: the environment where it can, else the "
        "policy",
    )
    propose_temperature: float = Field(
        1.5,
        gt=0,
        le=5,
        description="Sampling temperature at which the policy proposes actions; at most four draws, of which the first "
        "one counts that differs from the action that the policy would have taken",
    )
    annotator: str | None = Field(
        None,
        description="Which annotator of the ActRe service writes the reasons of sampled actions, `template` or `llm`; "
        "null takes the default of the service",
    )
    reasons: bool = Field(
        True,
        description="Whether ActRe writes a reason for each sampled action. False leaves sampled actions without a "
        "thought, for comparisons",
    )
    avoid_policy_action: bool = Field(
        True,
        description="Whether the policy is asked for its own action before an action is sampled, so that the sampled "
        "action differs from it where there is another one",
    )

    @model_validator(mode="after")
    def _waves_fit(self) -> Compose:
        if self.first is not None and self.first > self.samples:
            raise ValueError(f"compose.first is {self.first}, more than compose.samples ({self.samples})")
        if self.stop_at_successes is not None and self.first is None:
            raise ValueError("compose.stop_at_successes needs compose.first: how many to run before it is looked at")
        return self


class Pairing(Schema):
    """Which episodes enter the training set of a round (paper §3)."""

    own_successes: bool = Field(
        False,
        description="Whether successful episodes of the agent's own trial enter the training set, too. True by default "
        "where `collect` is `recorded`",
    )
    failures: bool = Field(
        True,
        description="Whether the agent's own failed episode of a task enters the training set where a successful "
        "episode of the same task does",
    )
    scope: Literal["accumulated", "round"] = Field(
        "accumulated",
        description="Where the successful episode beside a failed one may come from. `accumulated`: any round so far. "
        "`round`: the same round",
    )
    max_failure_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Largest share of failed episodes in the training set; surplus ones are left out at random by the "
        "seed. Null sets no limit",
    )
    max_successes_per_task: int | None = Field(
        None,
        ge=1,
        description="Largest number of successful episodes that a task adds in one round; null sets no limit",
    )
    prefer: Literal["first", "shortest"] = Field(
        "first",
        description="Which successful episodes are kept where `max_successes_per_task` leaves some out. `first`: those "
        "that were started first. `shortest`: those with the fewest steps",
    )


def _with_defaults(**defaults: Any) -> BeforeValidator:
    """Fills in the keys that a recipe leaves out of a section whose defaults differ from those of its schema."""
    return BeforeValidator(lambda given: {**defaults, **given} if isinstance(given, dict) else given)


class Round0Training(TrainingSettings):
    """How round 0 trains. The paper trains on successes only (`sft`) for 10 epochs."""

    objective: Annotated[Objective, _with_defaults(name=ObjectiveName.sft)] = Field(
        default_factory=lambda: Objective(name=ObjectiveName.sft), description="What training maximises"
    )
    optimisation: Annotated[Optimisation, _with_defaults(epochs=10)] = Field(
        default_factory=lambda: Optimisation(epochs=10), description="Optimiser, schedule and batches"
    )


class Training(TrainingSettings):
    """How rounds 1 and later train. `round0` holds the settings of round 0."""

    start: Literal["restart", "continue"] = Field(
        "restart",
        description="Which weights a round starts from. `restart`: the base model. `continue`: the adapter of the "
        "round before",
    )
    optimisation: Annotated[Optimisation, _with_defaults(average_checkpoints=4)] = Field(
        default_factory=lambda: Optimisation(average_checkpoints=4), description="Optimiser, schedule and batches"
    )
    round0: Round0Training = Field(default_factory=Round0Training, description="Settings of round 0")

    @model_validator(mode="after")
    def _continue_keeps_shape(self) -> Training:
        ours, first = self.lora, self.round0.lora
        if self.start == "continue" and (ours.rank, ours.target_modules) != (first.rank, first.target_modules):
            raise ValueError("training.start is continue, so training.lora and training.round0.lora need equal shapes")
        return self


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
        description="Whether the last agent is evaluated on the training tasks, too. False by default where `collect` "
        "is `recorded`",
    )
    temperature: float = Field(0.0, ge=0, le=5, description="Sampling temperature of evaluation episodes; 0 is greedy")


class Limits(Schema):
    """Limits of episodes, calls and waiting times."""

    max_steps: int | None = Field(
        None, ge=1, le=1000, description="Largest number of steps in an episode; null takes the cap of the environment"
    )
    max_invalid: int | None = Field(
        None,
        ge=1,
        description="Number of invalid actions in a row that end an own or evaluation episode as failed; null never "
        "ends an episode for this reason",
    )
    max_stale: int | None = Field(
        None,
        ge=1,
        description="Number of steps in a row without an observation that is new in the episode that end an own or "
        "evaluation episode as failed; null never ends an episode for this reason",
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
        180, gt=0, description="Seconds that a service may be out of reach before an episode fails"
    )
    call_seconds: float = Field(120, gt=0, description="Deadline of one call to a service, in seconds")
    episode_seconds: float = Field(1800, gt=0, description="Deadline of one episode, in seconds")
    training_seconds: float = Field(86400, gt=0, description="Deadline of one fine-tuning job, in seconds")
    max_lost_share: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Largest share of a phase's episodes that may be given up; if more are lost, the run fails. One "
        "may be lost in any phase of two or more, unless this is 0",
    )


class Recipe(Schema):
    """Everything that a run depends on."""

    name: Name = Field(description="Name of the recipe. Its runs are called `NAME-DATE-TIME`")
    environment: Environment = Field(description="Environment in which the agent acts")
    engine: str | None = Field(
        None,
        description="Implementation of the environment to play on, as `GET /v1/environments` lists them; "
        "null takes the default of the env service",
    )
    options: dict[str, str] = Field(
        default_factory=dict,
        description="Options of the sessions of the environment, by name; the page of each environment lists them",
    )
    base_model: str = Field(
        "a3t/tiny",
        description="Base model of all adapters: a folder, a model id of the Hugging Face Hub, or a model that ships "
        "with A³T",
    )
    prompt: PromptStyle = Field(
        PromptStyle.plain,
        description="How the agent reads its history. `plain`: as text in the ReAct format. `chat`: the same texts in "
        "messages of the base's chat template, for bases that were tuned to chat; the policy service's backend has "
        "to take and return token ids (local, or openai with vLLM)",
    )
    seed: int = Field(0, ge=0, description="Seed of every random draw: tasks, sampled actions and tokens")
    rounds: int = Field(3, ge=0, description="Number of rounds after round 0")
    collect: Literal["played", "recorded"] = Field(
        "played",
        description="Where the episodes of a round come from. `played`: workers play them in the env service. "
        "`recorded`: an agent of your own plays them with the policy service, which records them; the run waits for "
        "them. Nothing is composed then, and held-out episodes are recorded, too",
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
        description="Experiment trackers that are told of every round and of the fine-tuning jobs; null takes those of "
        "A3T_TRACKERS, an empty list none",
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
        """0, or 1 where there is no round 0."""
        return 1 if self.round0.mode == "none" else 0

    @property
    def evaluation_splits(self) -> list[HeldOut]:
        """The held-out sets that are evaluated."""
        wanted = self.evaluation.splits
        return [h for h in self.data.held_out if wanted is None or h.split in wanted]
