"""Environments, tasks and sessions: the contract of the env service."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from ..errors import Problem
from .base import Environment, Schema

__all__ = [
    "ActionReply",
    "ActionsReply",
    "BatchStepReply",
    "BatchStepRequest",
    "EnvironmentInfo",
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
    """One thing to do in an environment."""

    id: str = Field(description="Unique in its environment; for ALFWorld the official trial path")
    environment: Environment
    split: str = Field(description="train, valid_train, valid_seen, valid_unseen, test, ...")
    type: str = Field(description="Task type, e.g. pick_heat_then_place_in_recep; for WebShop the product category")
    instruction: str | None = Field(None, description="The task in words, where known before an episode starts")
    metadata: dict[str, Any] = Field(default_factory=dict)


class TaskPage(Schema):
    """One page of `GET /v1/tasks`."""

    tasks: list[Task]
    total: int = Field(description="Tasks that match the filter, over all pages")
    next_offset: int | None = Field(None, description="`offset` of the next page; null on the last")


class EnvironmentInfo(Schema):
    """What `GET /v1/environments` says of one environment."""

    name: Environment
    engines: list[str] = Field(description="Engines that can run here, the default first")
    splits: dict[str, int] = Field(description="Split → number of tasks")
    task_types: list[str]
    max_steps: int = Field(description="Default step cap of an episode; thoughts are not steps")


class SessionCreate(Schema):
    environment: Environment
    task_id: str
    engine: str | None = Field(None, description="Engine; null takes the environment's default")
    seed: int = Field(0, ge=0, description="Seeds whatever the environment draws at random")
    max_steps: int | None = Field(None, ge=1, le=1000, description="Step cap; null takes the default")
    include_actions: bool = Field(False, description="Return the admissible actions with every observation")
    options: dict[str, str] = Field(
        default_factory=dict, max_length=16, description="Options of the environment, e.g. WebShop's mode: text_rich"
    )


class SessionInfo(Schema):
    """A session's present state."""

    id: str
    task: Task
    engine: str
    observation: str
    actions: list[str] | None = None
    steps: int = 0
    max_steps: int
    reward: float = 0.0
    done: bool = False
    success: bool = False


class StepRequest(Schema):
    """`index` makes a step safe to repeat: a step that was already made with the same action is answered
    again with the same result; another index than the session's next is a conflict."""

    action: str = Field(max_length=4096)
    index: int | None = Field(None, ge=0, description="Number of this step from 0; null: the next one")


class SessionStep(StepRequest):
    session_id: str


class StepResult(Schema):
    """What one step did. `valid` is false where the environment did not understand or allow the action."""

    session_id: str
    index: int
    observation: str
    reward: float
    done: bool
    success: bool
    valid: bool
    actions: list[str] | None = None
    info: dict[str, Any] = Field(default_factory=dict, description="Parts of the reward and the like")


class BatchStepRequest(Schema):
    steps: list[SessionStep] = Field(min_length=1, max_length=4096)


class BatchStepReply(Schema):
    """In the order of the request; a step that failed has its problem in place of a result."""

    results: list[StepResult | Problem]


class ActionsReply(Schema):
    actions: list[str] = Field(description="Admissible actions of the present state, in the environment's order")


class SampleRequest(Schema):
    """Draw one action of the environment's action space, deterministic by seed (spec: exploration, uniform)."""

    seed: int = Field(ge=0)
    avoid: str | None = Field(None, description="Never return this action, where there is another")


class ActionReply(Schema):
    """One action, from the sampler or from the scripted expert."""

    action: str
