"""The closed loop: round 0, then compose, pair, train, go live, evaluate, round after round (paper §5).

Each phase asks the database what is missing, and does it. An interrupted run is continued by starting the loop again.
"""

from __future__ import annotations

from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError

from ..store import RunTask, add_event, open_round, run_tasks, touch_run, utc_now
from .collect import compose, demonstrate, evaluate, explain_imported, few_shot, rollout
from .context import RunContext
from .learn import base_version, go_live, train
from .lease import driving
from .training import NothingToTrainError

__all__ = ["drive"]


async def drive(context: RunContext) -> None:
    """Carry out the phases of the recipe that are not done in the database.

    Raises the A3TError that stopped the run, which is also stored with the run, and ConflictError if another process
    drives the run.
    """
    async with driving(context.store, context.run):
        await _drive(context)


async def _drive(context: RunContext) -> None:
    await context.store.do(partial(touch_run, name=context.run, status="running", error=None))
    try:
        await _rounds(context)
    except A3TError as error:
        await _end(context, "failed", str(error))
        raise
    except BaseException:
        await _end(context, "interrupted", None)
        raise
    await _end(context, "finished", None)


async def _rounds(context: RunContext) -> None:
    recipe = context.recipe
    version = await base_version(context)
    if recipe.round0.evaluate_base:
        await evaluate(context, 0, version, await _held_out(context), base=True)
    for number in range(recipe.first_round, recipe.rounds + 1):
        version = await _round(context, number, version)


async def _round(context: RunContext, number: int, version: str) -> str:
    """One round, played by the agent of the round before; returns the version that it trained."""
    row = await context.store.do(partial(open_round, run=context.run, number=number))
    if row.status == "finished" and row.version is not None:
        return row.version
    await _collect(context, number, version)
    try:
        trained = await train(context, number)
    except NothingToTrainError as error:
        if number == 0:
            raise
        trained = await _keep_agent(context, number, version, error)
    else:
        await go_live(context, number, trained)
    await _evaluate(context, number, trained)

    def finish(session: Session) -> None:
        row = open_round(session, context.run, number)
        row.status, row.finished_at = "finished", utc_now()
        add_event(session, context.run, number, "round_finished", f"Round {number} is finished", version=trained)

    await context.store.do(finish)
    return trained


async def _keep_agent(context: RunContext, number: int, version: str, error: A3TError) -> str:
    """Continue with the agent that played the round, and return its version: exploring may find a success in the next
    round."""
    words = f"{error.detail} The agent stays {version}."

    def note(session: Session) -> None:
        open_round(session, context.run, number).version = version
        add_event(session, context.run, number, "nothing_to_train", words, level="warn")

    await context.store.do(note)
    context.listener.note(number, words, "warn")
    return version


async def _collect(context: RunContext, number: int, version: str) -> None:
    if number > 0:
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
    tasks: list[RunTask] = await _held_out(context) if recipe.evaluation.every_round or last else []
    if last and recipe.evaluation.training_tasks:
        tasks = tasks + await context.store.do(partial(run_tasks, run=context.run, role="train"))
    if tasks:
        await evaluate(context, number, version, tasks)


async def _held_out(context: RunContext) -> list[RunTask]:
    wanted = {h.split for h in context.recipe.evaluation_splits}
    tasks = await context.store.do(partial(run_tasks, run=context.run, role="held_out"))
    return [t for t in tasks if t.split in wanted]


async def _end(context: RunContext, status: str, error: str | None) -> None:
    def note(session: Session) -> None:
        finished = utc_now() if status == "finished" else None
        touch_run(session, context.run, status=status, error=error, finished_at=finished)
        level = "info" if status == "finished" else "error" if error else "warn"
        add_event(session, context.run, 0, status, error or f"The run {status}", level=level)

    await context.store.do(note)
