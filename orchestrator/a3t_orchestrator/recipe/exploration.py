"""Sections of a recipe that say how failed tasks are explored, and which episodes are trained on."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from a3t_contracts.schemas import Schema

__all__ = ["Compose", "Pairing"]


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
        description="Threshold for sampling where the policy is unsure: if the least likely token of its turn has a "
        "lower probability, an action is sampled in place of the policy's own; null disables this rule. It needs a "
        "policy service that returns log-probabilities",
    )
    branch: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the composed episodes that begin with the steps of the agent's own failed trial, up to "
        "its first repeated action, its first invalid action, or the step at which the policy was least sure (one of "
        "them, drawn at random). At that step an action is sampled",
    )
    hindsight: bool = Field(
        False,
        description="Whether a failed composed episode that solved another task in the same world becomes a successful "
        "episode of that task. The environment checks that the episode solves it, and ActRe writes a reason for each "
        "action. The environment must offer it (`hindsight` in `GET /v1/environments`)",
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
        description="Number of successful episodes after which a task gets no further episode. Successes are counted "
        "after the first `first` episodes, so `first` must be set; null never stops early",
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
        description="Who proposes the action of a sampled step. `environment`: the environment draws an action of "
        "its action space. `policy`: the policy writes an action at `propose_temperature`. `auto`: the environment "
        "if it can draw actions, else the policy",
    )
    propose_temperature: float = Field(
        1.5,
        gt=0,
        le=5,
        description="Sampling temperature at which the policy proposes actions. It proposes up to four times, until "
        "its proposal differs from the action that it would have taken",
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
        "action differs from it if the state has another action",
    )

    @model_validator(mode="after")
    def _keys_fit(self) -> Compose:
        if self.first is not None and self.first > self.samples:
            raise ValueError(f"compose.first is {self.first}, more than compose.samples ({self.samples})")
        if self.stop_at_successes is not None and self.first is None:
            raise ValueError(
                "compose.stop_at_successes needs compose.first, the number of episodes to play before successes are "
                "counted"
            )
        if self.hindsight and not self.reasons:
            raise ValueError("compose.hindsight needs compose.reasons: ActRe writes the thoughts of its episodes")
        return self


class Pairing(Schema):
    """Which episodes enter the training set of a round (paper §3)."""

    own_successes: bool = Field(
        False,
        description="Whether successful episodes of the agent's own trial also enter the training set. True by "
        "default where `collect` is `recorded`",
    )
    failures: bool = Field(
        True,
        description="Whether the agent's own failed episode of a task enters the training set where a successful "
        "episode of the same task does",
    )
    scope: Literal["accumulated", "round"] = Field(
        "accumulated",
        description="Where the successful episode that a failed one needs may come from. `accumulated`: any round so "
        "far. `round`: the same round",
    )
    max_failure_share: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Largest share of failed episodes in the training set; surplus ones are left out, drawn at "
        "random by the seed. null sets no limit",
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
