"""The closed loop: round 0, then compose, pair, train, go live, evaluate, round after round (paper §5).

Each phase reads from the database what is missing, and does that. So an interrupted run is continued by starting the
loop again. The evaluation of a round's agent does not influence later rounds, so it is played while the next round
trains.
"""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.schemas import RunStatus, Wanted
from a3t_contracts.tracing import bound_ids

from ..store import (
    DatabaseAwayError,
    LeaseLostError,
    RunTask,
    add_event,
    drop_waiting_work,
    get_run,
    open_round,
    run_tasks,
    touch_run,
    utc_now,
)
from ..tracking.track import track_safely
from .collect import compose, demonstrate, evaluate, explain_imported, few_shot, rollout
from .context import RunContext
from .evaluations import Evaluations
from .learn import base_version, cancel_training, go_live, train
from .lease import Hold, StopRequestedError, driving
from .record import Recorder
from .recorded import collect_recorded, evaluate_recorded
from .training import NothingToTrainError

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
            await _rounds(context)
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


async def _rounds(context: RunContext) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            await _in_turn(context, Evaluations(context, group))
    except BaseExceptionGroup as failures:  # the first error stopped the other tasks
        raise failures.exceptions[0] from None


async def _in_turn(context: RunContext, evaluations: Evaluations) -> None:
    """Carry out the rounds in order. A round's evaluations are played while the next round trains."""
    recipe = context.recipe
    version = await base_version(context)
    if recipe.round0.evaluate_base:
        evaluations.add(partial(_evaluate_base, version=version))
    for number in range(recipe.first_round, recipe.rounds + 1):
        version = await _round(context, number, version, evaluations)
        if recipe.collect == "recorded":  # an agent of the user's own plays one phase at a time
            await evaluations.finish()
    await evaluations.finish()


async def _evaluate_base(context: RunContext, version: str) -> None:
    await evaluate(context, 0, version, await _held_out(context), base=True)


async def _round(context: RunContext, number: int, version: str, evaluations: Evaluations) -> str:
    """Carry out a round with the agent of the round before, and return the version that it trained. The evaluation of
    that version, which ends the round, is left to `evaluations`."""
    row = await context.store.do(partial(open_round, run=context.run, number=number))
    if row.status == "finished" and row.version is not None:
        return row.version
    await _collect(context, number, version)
    evaluations.begin()
    trained = (
        row.version
    )  # a version that went live once does not go live again, because a later one may be live by now
    if trained is None:
        trained = await _learn(context, number, version)
    evaluations.add(partial(_finish, number=number, version=trained))
    return trained


async def _learn(context: RunContext, number: int, version: str) -> str:
    """Train the round's agent, make it live, and return its version."""
    try:
        trained = await train(context, number)
    except NothingToTrainError as error:
        if number == 0:
            raise
        return await _keep_agent(context, number, version, error)
    try:
        await go_live(context, number, trained)
    except InvalidInputError as error:  # the version's files may have been damaged since it was trained
        await context.tell(number, "version_refused", f"{trained} cannot be served: {error.detail}")
        trained = await train(context, number, again=True)
        await go_live(context, number, trained)
    return trained


async def _finish(context: RunContext, number: int, version: str) -> None:
    """Evaluate the round's agent, and close the round."""
    await _evaluate(context, number, version)

    def finish(session: Session) -> None:
        row = open_round(session, context.run, number)
        row.status, row.finished_at = "finished", utc_now()
        add_event(session, context.run, number, "round_finished", f"Round {number} is finished", version=version)

    await context.store.do(finish)
    trackers = context.settings.trackers if context.recipe.trackers is None else context.recipe.trackers
    problem = await track_safely(context.store, context.settings, context.run, number, trackers)
    if problem is not None:
        context.listener.note(number, problem, "warn")


async def _keep_agent(context: RunContext, number: int, version: str, error: A3TError) -> str:
    """Continue with the agent that played the round, and return its version. Exploration may find a success in the next
    round."""
    words = f"{error.detail} The agent of this round is still {version}."

    def note(session: Session) -> None:
        open_round(session, context.run, number).version = version
        add_event(session, context.run, number, "nothing_to_train", words, level="warn")

    await context.store.do(note)
    context.listener.note(number, words, "warn")
    return version


async def _collect(context: RunContext, number: int, version: str) -> None:
    if context.recipe.collect == "recorded":
        await collect_recorded(context, number, version)
    elif number > 0:
        await rollout(context, number, version)
        await compose(context, number, version)
    elif context.recipe.round0.mode == "demonstrations":
        await demonstrate(context)
    elif context.recipe.round0.mode == "imported":
        await explain_imported(context)
    else:
        await few_shot(context, version)


async def _evaluate(context: RunContext, number: int, version: str) -> None:
    recipe, last = context.recipe, number == context.recipe.rounds
    if recipe.collect == "recorded":
        if recipe.evaluation.every_round or last:
            await evaluate_recorded(context, number, version, await _held_out(context))
        return
    tasks: list[RunTask] = await _held_out(context) if recipe.evaluation.every_round or last else []
    if last and recipe.evaluation.training_tasks:
        tasks = tasks + await context.store.do(partial(run_tasks, run=context.run, role="train"))
    if tasks:
        await evaluate(context, number, version, tasks)


async def _held_out(context: RunContext) -> list[RunTask]:
    wanted = {h.split for h in context.recipe.evaluation_splits}
    tasks = await context.store.do(partial(run_tasks, run=context.run, role="held_out"))
    return [t for t in tasks if t.split in wanted]


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
