"""The rounds of a run: round 0, then compose, pair, train, go live, evaluate, round after round (paper §5).

Each phase reads from the database what is missing, and does that. So an interrupted run is continued by calling
`play_rounds` again. The evaluation of a round's agent does not influence later rounds, so it is played while the next
round trains.
"""

from __future__ import annotations

import asyncio
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError, InvalidInputError

from ..store import RunTask, add_event, open_round, run_tasks, utc_now
from ..tracking.track import track_safely
from .collect import compose, demonstrate, evaluate, explain_imported, few_shot, rollout
from .context import RunContext
from .evaluations import Evaluations
from .learn import base_version, go_live, train
from .recorded import collect_recorded, evaluate_recorded
from .training import NothingToTrainError

__all__ = ["collect_round", "evaluate_base", "evaluate_round", "play_rounds"]


async def play_rounds(context: RunContext) -> None:
    """Carry out every round of the recipe that the database does not show as finished. Raises what the first phase that
    failed raised."""
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
        evaluations.add(partial(evaluate_base, version=version))
    for number in range(recipe.first_round, recipe.rounds + 1):
        version = await _round(context, number, version, evaluations)
        if recipe.collect == "recorded":  # an agent of the user's own plays one phase at a time
            await evaluations.finish()
    await evaluations.finish()


async def evaluate_base(context: RunContext, version: str) -> None:
    """Evaluate the base model on the held-out tasks."""
    await evaluate(context, 0, version, await _held_out(context), base=True)


async def _round(context: RunContext, number: int, version: str, evaluations: Evaluations) -> str:
    """Carry out a round with the agent of the round before, and return the version that it trained. The evaluation of
    that version, which ends the round, is left to `evaluations`."""
    row = await context.store.do(partial(open_round, run=context.run, number=number))
    if row.status == "finished" and row.version is not None:
        return row.version
    await collect_round(context, number, version)
    evaluations.begin()
    trained = row.version  # it does not go live again where it did once: a later version may be live by now
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
    await evaluate_round(context, number, version)

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


async def collect_round(context: RunContext, number: int, version: str) -> None:
    """Collect the episodes of round `number`; where a model plays, it is the agent `version`."""
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


async def evaluate_round(context: RunContext, number: int, version: str) -> None:
    """Evaluate the agent `version` of round `number` on the tasks that the recipe names for this round."""
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
