"""Drives a run: under its lease, from the status that it has to the one that it ends with."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError
from a3t_contracts.schemas import RunStatus, Wanted
from a3t_contracts.tracing import bound_ids

from ..store import DatabaseAwayError, LeaseLostError, add_event, drop_waiting_work, get_run, touch_run, utc_now
from .context import RunContext
from .learn import cancel_training
from .lease import Hold, StopRequestedError, driving
from .record import Recorder
from .rounds import play_rounds

__all__ = ["drive"]

_ENDS = {
    RunStatus.finished: "finished",
    RunStatus.interrupted: "was interrupted",
    RunStatus.paused: "is paused",
    RunStatus.cancelled: "is cancelled",
}


async def drive(context: RunContext) -> RunStatus:
    """Carry out the phases of the recipe that the database does not show as done. If a pause or the end of the run is
    asked for, carry that out instead. Returns the status of the run afterwards.

    Raises the A3TError that stopped the run, which is stored with it; ConflictError where another process drives the
    run; LeaseLostError where another process took the run over and continues it.
    """
    with bound_ids(run=context.run, request_id=os.urandom(8).hex()):
        async with driving(context.store, context.run, context.settings.run_lease_seconds) as hold:
            store = hold.store
            async with Recorder(store, context.run, context.listener) as listener:
                return await _carry_out(replace(context, store=store, listener=listener), hold)


async def _carry_out(context: RunContext, hold: Hold) -> RunStatus:
    wanted = await context.store.do(lambda session: Wanted(get_run(session, context.run).wanted))
    if wanted is not Wanted.running:
        return await _settle(context, wanted)
    await context.store.do(partial(touch_run, name=context.run, status="running", error=None))
    try:
        async with hold.obeying():
            await play_rounds(context)
    except StopRequestedError as stop:
        return await _settle(context, stop.wanted)
    except (LeaseLostError, DatabaseAwayError):
        raise  # the next driver continues the run
    except A3TError as error:
        await _end(context, RunStatus.failed, error)
        raise
    except Exception as error:
        hidden = A3TError(
            f"An unexpected error, {type(error).__name__}: {error}",
            hint="The log of the process that drove the run has the traceback.",
        )
        await _end(context, RunStatus.failed, hidden)
        raise
    except BaseException:
        if not context.in_service:
            await _end(context, RunStatus.interrupted)
        raise
    await _end(context, RunStatus.finished)
    return RunStatus.finished


async def _settle(context: RunContext, wanted: Wanted) -> RunStatus:
    """Pause or end the run, as `wanted` says."""
    if wanted is Wanted.paused:
        await _end(context, RunStatus.paused)
        return RunStatus.paused
    await cancel_training(context)
    await context.store.do(partial(drop_waiting_work, run=context.run))
    await _end(context, RunStatus.cancelled)
    return RunStatus.cancelled


async def _end(context: RunContext, status: RunStatus, error: A3TError | None = None) -> None:
    def note(session: Session) -> None:
        words = str(error) if error else None
        details = {k: v for k, v in get_run(session, context.run).details.items() if k != "problem"}
        if error is not None:
            details["problem"] = error.problem().model_dump(mode="json", exclude_none=True)
        ended = utc_now() if status in (RunStatus.finished, RunStatus.cancelled) else None
        touch_run(session, context.run, status=status.value, error=words, details=details, finished_at=ended)
        level = "error" if error else "info" if status is RunStatus.finished else "warn"
        add_event(session, context.run, 0, status.value, words or f"The run {_ENDS[status]}", level=level)

    await context.store.do(note)
