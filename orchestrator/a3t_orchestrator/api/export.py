"""Streams a run's episodes as rows of a format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from a3t_contracts.schemas import MAX_INT

from ..interchange.export import ExportOrder, Outcome, exported_rows, total_of
from ..interchange.format import RowOptions
from ..interchange.sinks import json_text
from .deps import StoreDep
from .query import EpisodeQuery

__all__ = ["router"]

router = APIRouter(prefix="/v1/runs", tags=["runs"])


class ExportQuery(EpisodeQuery):
    """Which episodes are exported, and in which format."""

    format: str = Field(
        "a3t", description="Format of the rows: a3t, actions, atif, conversations, dpo, kto, messages or sharegpt"
    )
    outcome: Outcome | None = Field(
        None,
        description="Only successes or only failures; null takes successes in the formats messages, conversations "
        "and sharegpt, and any episode in the others",
    )
    trained_in: int | None = Field(None, ge=0, le=MAX_INT, description="Only the training set of this round")
    loss_flags: bool = Field(
        False, description="In the format messages: whether turns that the environment refused get `weight` 0"
    )


@router.get(
    "/{run}/export",
    response_class=StreamingResponse,
    responses={200: {"content": {"application/x-ndjson": {}}, "description": "One row per line"}},
)
def export(store: StoreDep, run: str, query: Annotated[ExportQuery, Query()]) -> StreamingResponse:
    """Return the run's episodes as JSON Lines, in the order in which they were stored. Episodes of evaluation are left
    out of formats for training, unless `kind` asks for them."""
    order = ExportOrder(
        run=run,
        format=query.format,
        where=query.where,
        outcome=query.outcome,
        trained_in=query.trained_in,
        options=RowOptions(loss_flags=query.loss_flags),
    )
    total = total_of(store, order)

    def lines() -> Iterator[bytes]:
        for rows, _, _ in exported_rows(store, order):
            yield "".join(json_text(row) + "\n" for row in rows).encode()

    return StreamingResponse(lines(), media_type="application/x-ndjson", headers={"X-A3T-Episodes": str(total)})
