"""Schemas of the env service: environments, tasks and sessions."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field, model_validator

from ..errors import Problem
from .base import MAX_INT, MAX_SEED, Environment, Schema
from .origin import Origin

__all__ = [
    "ActionReply",
    "ActionsReply",
    "BatchStepReply",
    "BatchStepRequest",
    "EnvironmentInfo",
    "HindsightReply",
    "HindsightRequest",
    "PublishedFigures",
    "ReachedTask",
    "SampleRequest",
    "SessionCreate",
    "SessionInfo",
    "SessionStep",
    "StepRequest",
    "StepResult",
    "Task",
    "TaskPage",
]


class Task(Schema):
    """One task of an environment."""

    id: str = Field(description="Id of the task, unique in its environment")
    environment: Environment = Field(description="Environment that the task belongs to")
    split: str = Field(description="Split that the task belongs to, for example `train` or `test`")
    type: str = Field(description="Type of the task, by which reports group")
    instruction: str | None = Field(
        None, description="The task in words; null where it is known only after an episode has started"
    )
    metadata: dict[str, Any] = Field(default_factory=dict, description="Further values of the environment")


class TaskPage(Schema):
    """One page of `GET /v1/tasks`."""

    tasks: list[Task] = Field(description="Tasks of this page")
    total: int = Field(description="Number of tasks that match the filter, over all pages")
    next_offset: int | None = Field(None, description="Value of `offset` for the next page; null on the last page")


class PublishedFigures(Schema):
    """Results that others published for an environment, in percent, for comparison with a run's own. One trial per
    task."""

    test_set: str = Field(description="Tasks and model that the figures belong to")
    single: list[float] = Field(description="Success after rounds 0, 1, …")
    accumulated: list[float] = Field(description="Tasks solved in any round up to rounds 0, 1, …")
    reward: list[float] | None = Field(None, description="Mean reward × 100 after rounds 0, 1, …")
    training_set: list[tuple[int, int]] = Field(
        default_factory=list,
        description="For each round, the size of the accumulated training set: (number of sequences, how many of "
        "them failed)",
    )
    others: dict[str, float] = Field(default_factory=dict, description="Success of other agents, by name of the agent")

    @model_validator(mode="after")
    def _rounds_agree(self) -> PublishedFigures:
        if len(self.single) != len(self.accumulated):
            raise ValueError(f"single has {len(self.single)} rounds, accumulated has {len(self.accumulated)}")
        return self


class EnvironmentInfo(Schema):
    """The description of an environment in `GET /v1/environments`; other services know an environment only by it."""

    name: Environment = Field(description="Name of the environment")
    engines: list[str] = Field(description="Engines that can run here; the first one is the default")
    splits: dict[str, int] = Field(description="Number of tasks by split")
    task_types: list[str] = Field(description="Types of tasks")
    max_steps: int = Field(
        description="Largest number of steps in an episode, where a session does not set another; thoughts do not "
        "count as steps"
    )
    about: str = Field(
        "", description="What the agent does in the environment and which actions it has; used in the prompts of an LLM"
    )
    example: str = Field("", description="A worked episode in the ReAct format: the few-shot prompt")
    multiline: bool = Field(
        False, description="False: an observation is folded to one line for the agent; true: its line breaks stay"
    )
    separator: str | None = Field(
        None,
        description="Text between the parts of an observation, which is shown as line breaks; null where there is none",
    )
    lists_actions: bool = Field(
        True, description="Whether the environment lists the actions that are admissible in a state"
    )
    samples: bool = Field(True, description="Whether the environment can draw a random action of its action space")
    expert: bool = Field(True, description="Whether the environment has a scripted expert, for demonstrations")
    hindsight: bool = Field(
        False, description="Whether it tells which other tasks an episode has solved (`POST /v1/hindsight`)"
    )
    success: str = Field("", description="When an episode counts as a success, in words")
    get_data: str = Field(
        "", description="How to get the environment's tasks, in words; empty where nothing has to be fetched"
    )
    problem: str = Field(
        "", description="Why the environment cannot be used now, and what to do about it; empty where it can be used"
    )
    task_numbers: dict[str, str] = Field(
        default_factory=dict,
        description="How other projects number these tasks: the beginning of their names, with the id of task 0. With "
        '`{"shop_": "goal-000"}`, their `shop_17` is `goal-017`',
    )
    published: PublishedFigures | None = Field(None, description="Published results of others, which reports show")


class SessionCreate(Schema):
    """A request to start an episode."""

    environment: Environment = Field(description="Environment to play")
    task_id: str = Field(description="Id of the task to play")
    engine: str | None = Field(None, description="Engine to play on; null takes the default of the environment")
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Seed of what the environment draws at random")
    max_steps: int | None = Field(
        None,
        ge=1,
        le=1000,
        description="Largest number of steps of the episode; null takes the default of the environment",
    )
    include_actions: bool = Field(False, description="Whether every reply lists the admissible actions")
    options: dict[str, str] = Field(
        default_factory=dict,
        max_length=16,
        description='Options of the environment by name, for example `{"mode": "text_rich"}`',
    )
    origin: Origin | None = Field(None, description="Episode that the session belongs to, for logs and traces")


class SessionInfo(Schema):
    """The present state of a session."""

    id: str = Field(description="Id of the session")
    task: Task = Field(description="Task that is played")
    engine: str = Field(description="Engine that plays the environment")
    observation: str = Field(description="The last observation")
    multiline: bool = Field(False, description="Whether the agent reads observations with their line breaks")
    separator: str | None = Field(
        None, description="Text between the parts of an observation (`EnvironmentInfo.separator`)"
    )
    actions: list[str] | None = Field(None, description="Admissible actions; null where they were not asked for")
    steps: int = Field(0, description="Number of steps so far")
    max_steps: int = Field(description="Number of steps at which the episode ends")
    reward: float = Field(0.0, description="Sum of the rewards of the steps so far")
    done: bool = Field(False, description="Whether the episode has ended")
    success: bool = Field(False, description="Whether the task is solved")


class StepRequest(Schema):
    """One action in a session.

    `index` makes a step safe to repeat: a request that repeats the last step, with the same action and index, gets the
    same result again. Any other index than that of the session's next step is a conflict (409).
    """

    action: str = Field(max_length=4096, description="Action in the words of the environment")
    index: int | None = Field(None, ge=0, le=MAX_INT, description="Number of this step, from 0; null for the next one")


class SessionStep(StepRequest):
    """One step of a batch, with the session that takes it."""

    session_id: str = Field(description="Id of the session")


class StepResult(Schema):
    """The result of one step."""

    session_id: str = Field(description="Id of the session")
    index: int = Field(description="Number of the step, from 0")
    observation: str = Field(description="What the agent sees after the action")
    reward: float = Field(description="Reward of this step alone, not summed over the episode")
    done: bool = Field(description="Whether the episode has ended")
    success: bool = Field(description="Whether the task is solved")
    valid: bool = Field(description="False where the environment did not understand or allow the action")
    actions: list[str] | None = Field(
        None, description="Admissible actions after the step; null where they were not asked for"
    )
    info: dict[str, Any] = Field(
        default_factory=dict, description="Further values of the environment, for example the parts of a reward"
    )


class BatchStepRequest(Schema):
    """Steps of many sessions. Steps of different sessions run at the same time."""

    steps: Annotated[list[SessionStep], Field(fail_fast=True)] = Field(
        min_length=1, max_length=4096, description="Steps to take"
    )


class BatchStepReply(Schema):
    """Results in the order of the request. A step that failed has a problem document in place of a result."""

    results: list[StepResult | Problem] = Field(description="One result or problem document for each step")


class ActionsReply(Schema):
    """The admissible actions of a session."""

    actions: list[str] = Field(description="Admissible actions of the present state, in the order of the environment")


class SampleRequest(Schema):
    """A request to draw one action of the action space, uniformly and deterministically by seed."""

    seed: int = Field(ge=0, le=MAX_SEED, description="Seed of the draw; the same seed and state give the same action")
    avoid: str | None = Field(
        None, description="An action that is not drawn, unless it is the only one; null avoids none"
    )


class ActionReply(Schema):
    """One action, from the sampler or from the scripted expert."""

    action: str = Field(description="The action")


class HindsightRequest(Schema):
    """A finished episode: which other tasks has it solved?"""

    environment: Environment = Field(description="Environment that was played")
    task_id: str = Field(description="Id of the task that was played")
    actions: Annotated[list[Annotated[str, Field(max_length=4096)]], Field(fail_fast=True)] = Field(
        max_length=1000, description="Actions of the episode in their order"
    )
    seed: int = Field(0, ge=0, le=MAX_SEED, description="Seed of the episode's session")
    options: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="Options of the environment in the episode's session"
    )


class ReachedTask(Schema):
    """A task that an episode solved although it was played for another one."""

    task: Task = Field(
        description="The task: another goal in the world of the task that was played, which is not reached at the "
        "beginning. Its id is that of the task that was played, `@` and the goal, and its split is the same. No split "
        "lists it, but a session may play it"
    )
    steps: int = Field(ge=1, description="Number of the episode's actions after which the task was solved first")
    engine: str | None = Field(None, description="Engine on which the task can be played; null for the default one")


class HindsightReply(Schema):
    """Tasks that an episode solved, the one that asks for most first."""

    reached: list[ReachedTask] = Field(description="The tasks; empty where the episode solved none")
