"""The phases that collect episodes: demonstrations, few-shot attempts, own rollouts, composing, evaluation."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from sqlalchemy import func, select

from a3t_contracts.schemas import TrajectoryKind

from ..recipe import Compose
from ..store import Plan, RunTask, TrajectoryRow, WorkItem, plan_work, run_tasks
from .context import PhaseState, RunContext
from .dispatch import complete_phase

__all__ = ["BASE_SAMPLE", "compose", "demonstrate", "evaluate", "evenly", "few_shot", "next_samples", "rollout"]

BASE_SAMPLE = 1
"""Evaluation of the base model shares its round with that of round 0's adapter, which is sample 0."""


async def demonstrate(context: RunContext) -> None:
    """Round 0 from demonstrations: the expert's episodes, then ActRe's reasons for them."""
    tasks = evenly(_training_tasks(context), context.recipe.round0.demonstrations)
    for phase in ("demonstrate", "annotate"):
        plans = _plans(tasks, TrajectoryKind.demonstration, [0], None)
        if phase == "annotate":
            outcomes = _per_task(context, 0, "demonstrate")
            plans = [p for p in plans if outcomes.get(p.task_id, (0, 0))[1]]
        await _do(context, 0, phase, plans)


async def few_shot(context: RunContext, version: str) -> None:
    """Round 0 by prompting: attempts at each task until its first success."""
    for attempt in range(context.recipe.round0.attempts):
        solved = {task for task, (_, wins) in _per_task(context, 0, "few_shot").items() if wins}
        tasks = [t for t in _training_tasks(context) if t.task_id not in solved]
        await _do(context, 0, "few_shot", _plans(tasks, TrajectoryKind.policy, [attempt], version))


async def rollout(context: RunContext, number: int, version: str) -> PhaseState:
    """The policy's own single trial at each training task."""
    plans = _plans(_training_tasks(context), TrajectoryKind.policy, [0], version)
    return await _do(context, number, "rollout", plans)


async def compose(context: RunContext, number: int, version: str) -> None:
    """Composed episodes of the tasks that the policy failed, in waves until each task has its share."""
    tasks = _failed_tasks(context, number)
    await _do(context, number, "compose", [])  # what an interrupted wave left
    while True:
        plans: list[Plan] = []
        wins = _per_task(context, number, "compose")
        planned = _planned(context, number)
        for task in tasks:
            samples = next_samples(
                context.recipe.compose, planned.get(task.task_id, 0), wins.get(task.task_id, (0, 0))[1]
            )
            plans += _plans([task], TrajectoryKind.composed, samples, version)
        if not plans:
            return
        await _do(context, number, "compose", plans)


def evenly(tasks: Sequence[RunTask], count: int) -> list[RunTask]:
    """The first `count` tasks, one task type after the other, so that few demonstrations show every type."""
    by_type: dict[str, list[RunTask]] = {}
    for task in tasks:
        by_type.setdefault(task.task_type, []).append(task)
    turns = [(number, task) for group in by_type.values() for number, task in enumerate(group)]
    return [task for _, task in sorted(turns, key=lambda turn: turn[0])][:count]


def next_samples(rules: Compose, planned: int, successes: int) -> range:
    """The numbers of a task's next composed episodes, after `planned` that ended with `successes`."""
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
    """One trial at each task."""
    sample = BASE_SAMPLE if base else 0
    plans = _plans(tasks, TrajectoryKind.evaluation, [sample], version)
    return await _do(context, number, "evaluate_base" if base else "evaluate", plans)


async def _do(context: RunContext, number: int, phase: str, plans: Sequence[Plan]) -> PhaseState:
    key = context.key(number, phase)
    with context.store.session() as session:
        plan_work(session, key, plans)
    return await complete_phase(context, key)


def _plans(tasks: Iterable[RunTask], kind: TrajectoryKind, samples: Iterable[int], version: str | None) -> list[Plan]:
    numbers = list(samples)
    return [Plan(t.task_id, t.task_type, t.split, kind.value, n, version) for t in tasks for n in numbers]


def _training_tasks(context: RunContext) -> list[RunTask]:
    with context.store.session() as session:
        return run_tasks(session, context.run, "train")


def _failed_tasks(context: RunContext, number: int) -> list[RunTask]:
    outcomes = _per_task(context, number, "rollout")
    failed = [t for t in _training_tasks(context) if t.task_id in outcomes and outcomes[t.task_id][1] == 0]
    most = context.recipe.compose.max_failed_tasks
    if most is None or len(failed) <= most:
        return failed
    return random.Random(f"{context.recipe.seed}/{number}/failed").sample(failed, most)


def _per_task(context: RunContext, number: int, phase: str) -> dict[str, tuple[int, int]]:
    """Task → (episodes, successes) of a phase."""
    query = (
        select(TrajectoryRow.task_id, TrajectoryRow.success, func.count())
        .where(TrajectoryRow.run == context.run, TrajectoryRow.round == number, TrajectoryRow.phase == phase)
        .group_by(TrajectoryRow.task_id, TrajectoryRow.success)
    )
    counts: dict[str, tuple[int, int]] = {}
    with context.store.session() as session:
        for task, success, count in session.execute(query):
            episodes, wins = counts.get(task, (0, 0))
            counts[task] = (episodes + count, wins + (count if success else 0))
    return counts


def _planned(context: RunContext, number: int) -> dict[str, int]:
    query = (
        select(WorkItem.task_id, func.count())
        .where(WorkItem.run == context.run, WorkItem.round == number, WorkItem.phase == "compose")
        .group_by(WorkItem.task_id)
    )
    with context.store.session() as session:
        return {row[0]: row[1] for row in session.execute(query)}
