"""Query parameters that choose trajectories: for lists in the API and the dashboard, and for exports."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field, model_validator

from a3t_contracts.schemas import MAX_INT, StopReason, TrajectoryKind

from ..phases import Phase
from ..store import LONGEST_QUERY, EpisodeFilter, Order

__all__ = ["EpisodeQuery", "TrajectoryQuery"]


class EpisodeQuery(BaseModel):
    """Filters that lists and exports share. A trajectory must match all of them; a missing field matches any."""

    round: int | None = Field(None, ge=0, le=MAX_INT, description="Only of this round")
    kind: TrajectoryKind | None = Field(None, description="Only of this kind")
    split: str | None = Field(None, description="Only on tasks of this split")
    task_id: str | None = Field(None, description="Only of this task")
    task_type: str | None = Field(None, description="Only on tasks of this type")
    stop_reason: StopReason | None = Field(None, description="Only those that ended for this reason")
    sampled: bool | None = Field(None, description="Only with a sampled step, or only without one")
    invalid: bool | None = Field(None, description="Only with an invalid turn, or only without one")
    made_up: bool | None = Field(None, description="Only with a made-up observation, or only without one")
    search: str | None = Field(
        None,
        max_length=LONGEST_QUERY,
        description='Words that the observations, thoughts and actions have, all of them. `"two words"` follow each '
        "other, `-word` must not occur, `wor*` is the beginning of a word; other characters divide words",
    )

    @property
    def where(self) -> EpisodeFilter:
        """Return the filters in the form that the store takes."""
        return EpisodeFilter(**self.model_dump(include=set(EpisodeFilter.__dataclass_fields__)))


class TrajectoryQuery(EpisodeQuery):
    """Filters and order of a list. An empty field, as an HTML form sends it, also matches any."""

    run: str | None = Field(None, description="Only of this run")
    phase: Phase | None = Field(None, description="Only of this phase")
    success: bool | None = Field(None, description="Only successes, or only failures")
    sort: Order | None = Field(
        None, description="Order; a minus in front means the largest first. null: the order in which they were stored"
    )

    @model_validator(mode="before")
    @classmethod
    def _without_empty_fields(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {
            name: value
            for name, value in given.items()
            if not (name in TrajectoryQuery.model_fields and isinstance(value, str) and not value.strip())
        }

    @property
    def order(self) -> Order:
        """Return the order; by default the order in which trajectories were stored."""
        return self.sort or Order.oldest
