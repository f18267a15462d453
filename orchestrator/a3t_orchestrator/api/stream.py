"""Streams a run's events as they come, for `GET /v1/runs/{run}/events?stream=true`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import RunEvent, RunInfo, RunProgress

from ..stopping import wait_for_event
from ..store import Store, events, progress_of, run_info

__all__ = ["follow_run"]

_LOOK_SECONDS = 0.5
_HEARTBEAT_SECONDS = 15.0
_PAGE = 500


@dataclass(frozen=True, slots=True)
class _Look:
    """The state of a run in the database at one moment."""

    events: list[RunEvent]
    info: RunInfo
    progress: RunProgress


async def follow_run(store: Store, run: str, after: int, stopping: asyncio.Event) -> AsyncIterator[str]:
    """Yield the run's events with an id above `after`, its progress, and at last its end, as server-sent events. The
    stream also ends when the service stops; a client then connects again, to this replica or another."""
    told_progress: RunProgress | None = None
    told_state: tuple[str, str, int, str] | None = None
    silent = 0.0
    while not stopping.is_set():
        try:
            look = await store.do(partial(_look, run=run, after=after))
        except NotFoundError:  # the run was deleted
            return
        parts: list[str] = []
        for event in look.events:
            after = event.id
            parts.append(f"id: {event.id}\ndata: {event.model_dump_json()}\n\n")
        if look.progress != told_progress:
            told_progress = look.progress
            parts.append(f"event: progress\ndata: {look.progress.model_dump_json()}\n\n")
        state = (look.info.status, look.info.wanted, look.info.round, look.info.phase)
        if state != told_state:
            told_state = state
            parts.append(f"event: run\ndata: {look.info.model_dump_json()}\n\n")
        if len(look.events) == _PAGE:
            yield "".join(parts)
            continue
        if look.info.status.ended and not look.events:
            yield "".join([*parts, f"event: end\ndata: {look.info.model_dump_json()}\n\n"])
            return
        silent = 0.0 if parts else silent + _LOOK_SECONDS
        if silent >= _HEARTBEAT_SECONDS:
            parts, silent = [": still here\n\n"], 0.0
        if parts:
            yield "".join(parts)
        await wait_for_event(stopping, _LOOK_SECONDS)


def _look(session: Session, run: str, after: int) -> _Look:
    info = run_info(session, run)  # read before the events, because a run that has ended writes no further ones
    found = [RunEvent.model_validate(event) for event in events(session, run, after, _PAGE)]
    return _Look(found, info, progress_of(session, run))
