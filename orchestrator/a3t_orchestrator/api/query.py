"""What a list of trajectories may be asked for; the API and the dashboard take the same."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field

from a3t_contracts.schemas import MAX_INT, StopReason, TrajectoryKind

from ..phases import Phase
from ..store import LONGEST_QUERY, EpisodeFilter, Order

__all__ = ["TrajectoryQuery"]


def _given(value: Any) -> Any:
    """An empty field of a form means any."""
    return None if isinstance(value, str) and not value.strip() else value


_Empty = BeforeValidator(_given)
_Text = Annotated[str | None, _Empty]
_Flag = Annotated[bool | None, _Empty]


class TrajectoryQuery(BaseModel):
    """Filters, all of which must fit, and the order. A field that is missing or empty means any."""

    run: _Text = Field(None, description="Only of this run")
    round: Annotated[int | None, _Empty] = Field(None, ge=0, le=MAX_INT, description="Only of this round")
    kind: Annotated[TrajectoryKind | None, _Empty] = Field(None, description="Only of this kind")
    phase: Annotated[Phase | None, _Empty] = Field(None, description="Only of this phase")
    split: _Text = Field(None, description="Only on tasks of this split")
    task_id: _Text = Field(None, description="Only of this task")
    task_type: _Text = Field(None, description="Only on tasks of this type")
    success: _Flag = Field(None, description="Only successes, or only failures")
    stop_reason: Annotated[StopReason | None, _Empty] = Field(None, description="Only those that ended for this reason")
    sampled: _Flag = Field(None, description="Only with a sampled step, or only without one")
    invalid: _Flag = Field(None, description="Only with an invalid turn, or only without one")
    made_up: _Flag = Field(None, description="Only with a made-up observation, or only without one")
    search: Annotated[str | None, _Empty] = Field(
        None,
        max_length=LONGEST_QUERY,
        description='Words that the observations, thoughts and actions have, all of them. `"two words"` follow each '
        "other, `-word` must not occur, `wor*` is the beginning of a word; other characters divide words",
    )
    sort: Annotated[Order | None, _Empty] = Field(
        None, description="Order; a minus in front means the largest first. Unset: in order of making"
    )

    @property
    def order(self) -> Order:
        """The order, in order of making where none is given."""
        return self.sort or Order.oldest

    @property
    def where(self) -> EpisodeFilter:
        """The filters as the store takes them."""
        return EpisodeFilter(**self.model_dump(exclude={"sort", "cursor", "limit", "offset"}))
