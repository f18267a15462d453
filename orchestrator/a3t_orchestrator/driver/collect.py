"""The phases that collect episodes: demonstrations, few-shot attempts, own rollouts, composing, evaluation."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo, TrajectoryKind

from ..gateway import ServiceAddresses
from ..phases import Phase
from ..recipe import Compose
from ..store import (
    Plan,
    RunTask,
    environment_of,
    get_run,
    has_unsettled,
    outcomes_by_task,
    plan_work,
    planned_by_task,
    run_tasks,
    unexplained,
)
from .context import PhaseState, RunContext
from .dispatch import complete_phase
from .start import fetch_tasks

__all__ = [
    "BASE_SAMPLE",
    "compose",
    "demonstrate",
    "evaluate",
    "evaluate_split",
    "evenly",
    "explain_imported",
    "few_shot",
    "next_samples",
    "rollout",
]

BASE_SAMPLE = 1
"""Sample number of the base model's evaluation, which belongs to the same round as that of round 0's adapter (sample
0)."""


async def demonstrate(context: RunContext) -> None:
    """Collect round 0 from demonstrations: the expert plays, then ActRe writes the reasons of its actions."""
    tasks = evenly(await _training_tasks(context), context.recipe.round0.demonstrations)
    for phase in (Phase.demonstrate, Phase.annotate):
        plans = _plans(tasks, TrajectoryKind.demonstration, [0], None)
        if phase is Phase.annotate:
            outcomes = await _per_task(context, 0, Phase.demonstrate)
            plans = [p for p in plans if outcomes.get(p.task_id, (0, 0))[1]]
        await _do(context, 0, phase, plans)


async def explain_imported(context: RunContext) -> None:
    """Collect round 0 from another run's episodes: ActRe writes reasons for the actions that have none."""
    key = context.key(0, Phase.demonstrate)
    await _do(context, 0, Phase.annotate, await context.store.do(partial(unexplained, key=key)))


async def few_shot(context: RunContext, version: str) -> None:
    """Collect round 0 with the prompted base model, which tries each task until its first success."""
    for attempt in range(context.recipe.round0.attempts):
        outcomes = await _per_task(context, 0, Phase.few_shot)
        solved = {task for task, (_, wins) in outcomes.items() if wins}
        tasks = [t for t in await _training_tasks(context) if t.task_id not in solved]
        await _do(context, 0, Phase.few_shot, _plans(tasks, TrajectoryKind.policy, [attempt], version))


async def rollout(context: RunContext, number: int, version: str) -> PhaseState:
    """Let the agent play each training task once."""
    plans = _plans(await _training_tasks(context), TrajectoryKind.policy, [0], version)
    return await _do(context, number, Phase.rollout, plans)


async def compose(context: RunContext, number: int, version: str) -> None:
    """Play composed episodes of the tasks that the agent failed, in waves, until each task has its number of
    episodes."""
    tasks = await _failed_tasks(context, number)
    await _do(context, number, Phase.compose, [])  # first the rest of an interrupted wave
    while True:
        plans: list[Plan] = []
        wins = await _per_task(context, number, Phase.compose)
        planned = await context.store.do(partial(planned_by_task, key=context.key(number, Phase.compose)))
        for task in tasks:
            samples = next_samples(
                context.recipe.compose, planned.get(task.task_id, 0), wins.get(task.task_id, (0, 0))[1]
            )
            plans += _plans([task], TrajectoryKind.composed, samples, version)
        if not plans:
            return
        await _do(context, number, Phase.compose, plans)


def evenly(tasks: Sequence[RunTask], count: int) -> list[RunTask]:
    """Return `count` tasks, taken from the task types in turn, so that even a few demonstrations cover every type."""
    by_type: dict[str, list[RunTask]] = {}
    for task in tasks:
        by_type.setdefault(task.task_type, []).append(task)
    turns = [(number, task) for group in by_type.values() for number, task in enumerate(group)]
    return [task for _, task in sorted(turns, key=lambda turn: turn[0])][:count]


def next_samples(rules: Compose, planned: int, successes: int) -> range:
    """Return the sample numbers of a task's next composed episodes, given how many are `planned` so far and their
    `successes`."""
    if planned == 0:
        return range(rules.first if rules.first is not None else rules.samples)
    if planned >= rules.samples:
        return range(0)
    if rules.stop_at_successes is not None and successes >= rules.stop_at_successes:
        return range(0)
    return range(planned, min(planned + rules.wave, rules.samples))


async def evaluate(
    context: RunContext, number: int, version: str, tasks: Sequence[RunTask], *, base: bool = False
) -> PhaseState:
    """Let the agent play each task once."""
    sample = BASE_SAMPLE if base else 0
    plans = _plans(tasks, TrajectoryKind.evaluation, [sample], version)
    return await _do(context, number, Phase.evaluate_base if base else Phase.evaluate, plans)


async def evaluate_split(context: RunContext, versions: Mapping[int, str], split: str, count: int | None) -> None:
    """Let the agent of each round play each task of a split once. Trials that are in the database already are not
    repeated.

    Raises NotFoundError for a split without tasks, InvalidInputError for the split that the run trains on.
    """
    if split == context.recipe.data.split:
        raise InvalidInputError(f"{split} is the split that {context.run} trains on.", hint="Name a held-out split.")
    if context.recipe.collect == "recorded":
        raise InvalidInputError(
            f"The episodes of {context.run} are recorded from an agent of your own, so workers cannot play tasks for "
            "it.",
            hint="Name the split in data.held_out, and let your agent play it with the kind `evaluation`.",
        )
    addresses = ServiceAddresses.of(context.settings)
    async with EnvClient(addresses.env, addresses.token) as env:
        found = await fetch_tasks(env, context.recipe, split, count, (await _environment(context)).get_data)
    tasks = [
        RunTask(run=context.run, split=split, task_id=t.id, role="held_out", task_type=t.type, position=i)
        for i, t in enumerate(found)
    ]
    for number, version in sorted(versions.items()):
        await evaluate(context, number, version, tasks)


async def _environment(context: RunContext) -> EnvironmentInfo:
    return await context.store.do(lambda session: environment_of(get_run(session, context.run)))


async def _do(context: RunContext, number: int, phase: Phase, plans: Sequence[Plan]) -> PhaseState:
    key = context.key(number, phase)

    def plan(session: Session) -> bool:
        begun = has_unsettled(session, key)
        plan_work(session, key, plans)
        return begun

    return await complete_phase(context, key, resumed=await context.store.do(plan))


def _plans(tasks: Iterable[RunTask], kind: TrajectoryKind, samples: Iterable[int], version: str | None) -> list[Plan]:
    numbers = list(samples)
    return [Plan(t.task_id, t.task_type, t.split, kind.value, n, version) for t in tasks for n in numbers]


async def _training_tasks(context: RunContext) -> list[RunTask]:
    return await context.store.do(partial(run_tasks, run=context.run, role="train"))


async def _failed_tasks(context: RunContext, number: int) -> list[RunTask]:
    outcomes = await _per_task(context, number, Phase.rollout)
    tasks = await _training_tasks(context)
    failed = [t for t in tasks if t.task_id in outcomes and outcomes[t.task_id][1] == 0]
    most = context.recipe.compose.max_failed_tasks
    if most is None or len(failed) <= most:
        return failed
    return random.Random(f"{context.recipe.seed}/{number}/failed").sample(failed, most)


async def _per_task(context: RunContext, number: int, phase: Phase) -> dict[str, tuple[int, int]]:
    """Return the numbers of episodes and of successes of a phase, by task."""
    return await context.store.do(partial(outcomes_by_task, key=context.key(number, phase)))
