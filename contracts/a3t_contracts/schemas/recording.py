"""Schemas of `/v1/episodes`: episodes that the policy service records while an agent of the user's own sends it
requests."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import Field

from .base import Environment, Name, Schema
from .trajectory import TrajectoryKind

__all__ = [
    "EPISODE_HEADER",
    "EpisodeCreate",
    "EpisodePage",
    "EpisodeReward",
    "EpisodeState",
    "RecordedCall",
    "RecordedEpisode",
    "RecordedEpisodeInfo",
]

EPISODE_HEADER = "X-A3T-Episode"
"""HTTP header that names the episode to which a completion belongs."""

EpisodeState = Literal["open", "closed"]


class EpisodeCreate(Schema):
    """Body of `POST /v1/episodes`: the episode that the agent is about to play."""

    environment: Environment = Field(description="Name of the environment; any name for one that is not A³T's own")
    split: str = Field("train", max_length=128, description="Split that the task belongs to")
    task_id: str = Field(min_length=1, max_length=512, description="Id of the task")
    task_type: str = Field("", max_length=128, description="Type of the task, by which reports group")
    kind: TrajectoryKind = Field(TrajectoryKind.policy, description="What the episode is played for")
    run: Name | None = Field(None, description="Run that the episode is meant for; null for any run")
    metadata: dict[str, str] = Field(default_factory=dict, max_length=16, description="Free values")


class EpisodeReward(Schema):
    """Body of `POST /v1/episodes/{id}/reward`, which closes the episode."""

    reward: float = Field(ge=0, le=1, allow_inf_nan=False, description="Final reward R(τ), from 0 to 1")
    success: bool = Field(description="Whether the task was solved")


class RecordedEpisodeInfo(EpisodeCreate):
    """A recorded episode without its calls."""

    id: str = Field(description="Id of the episode")
    state: EpisodeState = Field(description="`open` until a reward closes it")
    number: int | None = Field(
        None,
        description="Number of the episode in the order in which this service's episodes were closed, from 1; null "
        "while it is open",
    )
    calls: int = Field(0, description="Number of completions so far")
    versions: list[str] = Field(
        default_factory=list,
        description="Adapter versions, or base model, that wrote the completions, each once, in the order of first use",
    )
    opened_at: datetime = Field(description="Time at which it was opened (UTC)")
    closed_at: datetime | None = Field(None, description="Time at which it was closed (UTC); null while it is open")
    reward: float | None = Field(None, description="Final reward, from 0 to 1; null while it is open")
    success: bool | None = Field(None, description="Whether the task was solved; null while it is open")


class RecordedCall(Schema):
    """One completion of an episode, with its token ids where the backend returns them."""

    index: int = Field(description="Number of the call in its episode, from 0, in the order in which calls finished")
    prompt_ids: list[int] = Field(description="Ids of all tokens of the prompt")
    continues: int = Field(
        description="Number of leading prompt ids that are the same as in the prompt and completion of the call "
        "before; the ids after them are new to the agent"
    )
    observation: str = Field(description="Text of the prompt's new tokens")
    completion: str = Field(description="Generated text, cut at a stop string")
    completion_ids: list[int] | None = Field(
        None, description="Ids of the generated tokens; null where the backend does not return them"
    )
    logprobs: list[float] | None = Field(
        None, description="Natural log-probability of each generated token; null where they are not known"
    )
    finish_reason: str = Field(description="Why generation ended: `stop` or `length`")
    model: str = Field(description="Adapter version, or base model, whose weights generated the completion")


class RecordedEpisode(RecordedEpisodeInfo):
    """A recorded episode with its calls."""

    recorded: list[RecordedCall] = Field(description="The calls in order")


class EpisodePage(Schema):
    """One page of `GET /v1/episodes`."""

    episodes: list[RecordedEpisodeInfo] = Field(
        description="The episodes: closed ones by number, open ones in the order in which they were opened"
    )
    next_after: int | None = Field(
        None, description="Value of `after` for the next page of closed episodes; null for open ones"
    )
