"""Sections of a recipe that say what the agent learns from: tasks, round 0, recorded episodes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from a3t_contracts.schemas import Name, Schema

__all__ = ["Data", "HeldOut", "Recorded", "Round0"]


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
        description="Arguments of `a3t data generate ENVIRONMENT`, with which `a3t demo` makes the tasks before the "
        "run; null for an environment whose tasks need not be generated",
    )
    held_out: list[HeldOut] = Field(default_factory=list, description="Sets of tasks that the agent is evaluated on")


class Round0(Schema):
    """How the run makes its first agent (paper §5)."""

    mode: Literal["demonstrations", "imported", "few_shot", "none"] = Field(
        "demonstrations",
        description="Where the episodes of round 0 come from. `demonstrations`: the scripted expert acts and ActRe "
        "writes the reasons. `imported`: the successes of the run `source` are the demonstrations, and ActRe writes "
        "the missing reasons. `few_shot`: the base model plays with a worked example in its prompt, and its "
        "successful episodes are kept. `none`: there is no round 0, and round 1 begins with the base model. Where "
        "`collect` is `recorded`, the default is `none`",
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
        description="Path of a file with the worked example that is put in front of each episode; null takes the "
        "example of the environment. Used in the mode `few_shot`",
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
            raise ValueError(
                "round0.source is the run that the mode imported takes its episodes from: set both, or neither"
            )
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
        description="Ids of the training tasks; null takes the tasks of the env service if it knows the environment, "
        "otherwise the task of every recorded episode",
    )
    wait_seconds: float = Field(
        86400,
        gt=0,
        description="Longest time that a phase waits for recorded episodes, in seconds. After it the run fails; `a3t "
        "run … --resume` continues to wait",
    )
