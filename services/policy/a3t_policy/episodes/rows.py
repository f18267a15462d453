"""Rows of the files of recorded episodes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from pydantic import Field

from a3t_contracts.schemas.base import Schema
from a3t_contracts.schemas.recording import EpisodeCreate, RecordedCall

__all__ = ["Closing", "Opening", "Row", "StoredCall", "calls_of", "common_prefix"]


class Opening(EpisodeCreate):
    """First row of an episode's file."""

    id: str
    opened_at: datetime


class StoredCall(Schema):
    """A call without the part of its prompt that the previous call has already, so that long episodes take little
    disk space.
    """

    continues: int
    new_ids: list[int]
    observation: str
    completion: str
    completion_ids: list[int] | None
    logprobs: list[float] | None
    finish_reason: str
    model: str


class Row(Schema):
    """A row of an episode's file: first the opening, then the calls."""

    opened: Opening | None = None
    call: StoredCall | None = None


class Closing(Schema):
    """A row of the list of closed episodes."""

    number: int = Field(ge=1)
    id: str
    reward: float
    success: bool
    closed_at: datetime


def calls_of(rows: Iterable[Row]) -> list[RecordedCall]:
    """The calls with their complete prompts."""
    calls: list[RecordedCall] = []
    said: list[int] = []
    for row in rows:
        if row.call is not None:
            prompt = said[: row.call.continues] + row.call.new_ids
            rest = row.call.model_dump(exclude={"new_ids"})
            calls.append(RecordedCall(index=len(calls), prompt_ids=prompt, **rest))
            said = prompt + (row.call.completion_ids or [])
    return calls


def common_prefix(one: Sequence[int], other: Sequence[int]) -> int:
    """Number of leading ids that are the same in both lists."""
    for index, (a, b) in enumerate(zip(one, other, strict=False)):
        if a != b:
            return index
    return min(len(one), len(other))
