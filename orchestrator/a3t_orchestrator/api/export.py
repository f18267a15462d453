"""Streams a run's episodes as rows of a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from a3t_contracts.schemas import MAX_INT, StopReason, TrajectoryKind

from ..interchange.export import ExportOrder, Outcome, exported_rows, total_of
from ..interchange.format import RowOptions
from ..interchange.sinks import json_text
from ..store import LONGEST_QUERY, EpisodeFilter
from .deps import StoreDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])


@router.get(
    "/{run}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One row a line"}},
)
def export(
    store: StoreDep,
    run: str,
    format: Annotated[
        str, Query(description="Form of the rows: a3t, actions, atif, conversations, dpo, kto, messages or sharegpt")
    ] = "a3t",
    round: Annotated[int | None, Query(ge=0, le=MAX_INT, description="Only of this round")] = None,
    kind: Annotated[TrajectoryKind | None, Query(description="Only of this kind")] = None,
    split: Annotated[str | None, Query(description="Only of this split")] = None,
    task_id: Annotated[str | None, Query(description="Only of this task")] = None,
    task_type: Annotated[str | None, Query(description="Only on tasks of this type")] = None,
    stop_reason: Annotated[StopReason | None, Query(description="Only those that ended for this reason")] = None,
    sampled: Annotated[bool | None, Query(description="Only with a sampled step, or only without one")] = None,
    invalid: Annotated[bool | None, Query(description="Only with an invalid turn, or only without one")] = None,
    made_up: Annotated[bool | None, Query(description="Only with a made-up observation, or only without one")] = None,
    search: Annotated[
        str | None, Query(max_length=LONGEST_QUERY, description="Words that the episodes have, as in a list of them")
    ] = None,
    outcome: Annotated[
        Outcome | None,
        Query(description="Only these; null takes successes in messages, conversations and sharegpt, else any"),
    ] = None,
    trained_in: Annotated[
        int | None, Query(ge=0, le=MAX_INT, description="Only the training set of this round")
    ] = None,
    loss_flags: Annotated[bool, Query(description="In messages: `weight` 0 for turns that were refused")] = False,
) -> StreamingResponse:
    """The run's episodes as JSON Lines, in the order in which they were stored. Episodes of evaluation are left out of
    formats for training, unless `kind` asks for them."""
    order = ExportOrder(
        run=run,
        format=format,
        where=EpisodeFilter(
            round=round,
            kind=kind,
            split=split,
            task_id=task_id,
            task_type=task_type,
            stop_reason=stop_reason,
            sampled=sampled,
            invalid=invalid,
            made_up=made_up,
            search=search,
        ),
        outcome=outcome,
        trained_in=trained_in,
        options=RowOptions(loss_flags=loss_flags),
    )
    total = total_of(store, order)

    def lines() -> Iterator[bytes]:
        for rows, _, _ in exported_rows(store, order):
            yield "".join(json_text(row) + "\n" for row in rows).encode()

    return StreamingResponse(lines(), media_type="application/x-ndjson", headers={"X-A3T-Episodes": str(total)})
