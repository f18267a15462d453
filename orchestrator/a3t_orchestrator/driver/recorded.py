"""The phases of a run with `collect: recorded`, which wait until an agent of the user's own has played enough episodes.

The policy service records the episodes. The run copies them into the database, so that a resumed run keeps the episodes
that it has, and takes no episode twice.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from sqlalchemy.orm import Session

from a3t_contracts.errors import DeadlineError
from a3t_contracts.schemas import RecordedEpisodeInfo, Task, TrajectoryKind

from ..gateway import Gateway, ServiceAddresses
from ..phases import Phase
from ..store import (
    Plan,
    RunTask,
    add_event,
    add_task,
    count_successes,
    get_run,
    phase_counts,
    plan_work,
    planned_by_task,
    recorded_ids,
    run_tasks,
    save_trajectory,
    spend,
    touch_run,
)
from .context import PhaseState, RunContext
from .recorded_episode import WantedEpisodes, trajectory_of

__all__ = ["OPEN_TASKS", "collect_recorded", "evaluate_recorded"]

OPEN_TASKS = "open_tasks"
"""Key of a run's details: true where the training tasks are the tasks of whatever episodes are recorded."""

_PAGE = 200
_PHASE_OF = {TrajectoryKind.policy: Phase.rollout, TrajectoryKind.composed: Phase.compose}


async def collect_recorded(context: RunContext, number: int, version: str) -> PhaseState:
    """Take recorded episodes of the training tasks that `version` played, and wait until there are as many as the
    recipe says. Raises DeadlineError where they do not arrive within `recorded.wait_seconds`."""
    recipe = context.recipe
    is_open, tasks = await context.store.do(partial(_training_tasks, run=context.run))
    wanted = WantedEpisodes(
        run=context.run,
        environment=recipe.environment,
        version=version,
        splits=frozenset([recipe.data.split]),
        kinds=frozenset(_PHASE_OF),
        tasks=None if is_open else frozenset((t.split, t.task_id) for t in tasks),
    )
    need = recipe.recorded.episodes or len(tasks)
    return await _Collection(context, number, Phase.rollout, wanted, need).run()


async def evaluate_recorded(context: RunContext, number: int, version: str, tasks: list[RunTask]) -> None:
    """Take one recorded episode of the kind `evaluation` for every held-out task. Raises the same errors as
    `collect_recorded`.

    Args:
        tasks: the known held-out tasks. Where a split has fewer tasks than the recipe says, the tasks that are recorded
            first become its tasks.
    """
    for held_out in context.recipe.evaluation_splits:
        mine = [t for t in tasks if t.split == held_out.split]
        need = held_out.tasks or len(mine)
        wanted = WantedEpisodes(
            run=context.run,
            environment=context.recipe.environment,
            version=version,
            splits=frozenset([held_out.split]),
            kinds=frozenset([TrajectoryKind.evaluation]),
            tasks=None if len(mine) < need else frozenset((t.split, t.task_id) for t in mine),
        )
        await _Collection(context, number, Phase.evaluate, wanted, need, once=True).run()


def _training_tasks(session: Session, run: str) -> tuple[bool, list[RunTask]]:
    return bool(get_run(session, run).details.get(OPEN_TASKS)), run_tasks(session, run, "train")


@dataclass(slots=True)
class _Collection:
    """One phase that collects recorded episodes."""

    context: RunContext
    number: int
    phase: Phase
    wanted: WantedEpisodes
    need: int
    once: bool = False
    """Whether only one episode of each task is taken."""
    after: int = 0
    """Number of the last closed episode that was looked at."""
    left_out: Counter[str] = field(default_factory=Counter)
    taken: set[str] = field(default_factory=set)
    """Ids of recorded episodes that the run has already, of any round."""
    started: float = field(default_factory=time.monotonic)
    before: tuple[int, int] | None = None

    async def run(self) -> PhaseState:
        """Collect until there are enough episodes."""
        context = self.context
        addresses = ServiceAddresses.of(context.settings)
        self.taken = await context.store.do(self._begin)
        async with Gateway(addresses, context.recipe.limits) as gateway:
            await context.store.do(self._state)  # episodes that are there already do not belong to this pass
            state = await self._sweep(gateway)
            if state.done < self.need:
                await self._ask(gateway, state, addresses.policy)
            while state.done < self.need:
                self._check_time(state)
                await asyncio.sleep(max(0.5, context.poll_seconds))
                state = await self._sweep(gateway)
        await context.store.do(partial(self._end, state=state))
        return state

    def _begin(self, session: Session) -> set[str]:
        touch_run(session, self.context.run, phase=self.phase, round=self.number)
        return recorded_ids(session, self.context.run)

    async def _sweep(self, gateway: Gateway) -> PhaseState:
        """Take the episodes that have been closed since the last call."""
        while True:
            page = await gateway.patient(
                lambda: gateway.policy.closed_episodes(self.after, _PAGE, environment=self.wanted.environment)
            )
            for episode in page.episodes:
                if episode.id not in self.taken and self.wanted.concerns(episode):
                    await self._look(gateway, episode)
            self.after = page.next_after or self.after
            if len(page.episodes) < _PAGE:
                break
        state = await self.context.store.do(self._state)
        self.context.listener.phase(state)
        return state

    async def _look(self, gateway: Gateway, episode: RecordedEpisodeInfo) -> None:
        fault = self.wanted.fault(episode)
        if fault is None:
            fault = await self._take(gateway, episode)
        if fault is not None:
            self.left_out[fault] += 1

    async def _take(self, gateway: Gateway, info: RecordedEpisodeInfo) -> str | None:
        """Copy an episode into the database. Returns the reason why it was left out, or None."""
        episode = await gateway.patient(lambda: gateway.policy.episode(info.id))
        key = self.context.key(self.number, _PHASE_OF.get(info.kind, self.phase))

        def store(session: Session) -> str | None:
            if self.once and info.task_id in planned_by_task(session, key, split=info.split):
                return "of a task that has one already"
            sample = planned_by_task(session, key).get(info.task_id, 0)
            trajectory = trajectory_of(episode, key.run, key.round, sample)
            if trajectory is None:
                return "without token ids"
            task = Task(id=info.task_id, environment=info.environment, split=info.split, type=info.task_type or "task")
            add_task(session, key.run, "held_out" if self.once else "train", task)
            plan = Plan(task.id, task.type, task.split, info.kind.value, sample, self.wanted.version)
            plan_work(session, key, [plan])
            save_trajectory(session, trajectory.id, trajectory, phase=key.phase)
            return None

        fault = await self.context.store.do(store)
        if fault is None:
            self.taken.add(info.id)
        return fault

    def _state(self, session: Session) -> PhaseState:
        phases = [self.phase] if self.once else list(_PHASE_OF.values())
        split = next(iter(self.wanted.splits)) if self.once else None
        keys = [self.context.key(self.number, phase) for phase in phases]
        done = sum(phase_counts(session, key, split=split).get("done", 0) for key in keys)
        successes = sum(count_successes(session, key, split=split) for key in keys)
        self.before = self.before or (done, successes)
        return PhaseState(
            self.context.key(self.number, self.phase),
            total=max(self.need, done),
            done=done,
            lost=0,
            successes=successes,
            seconds=time.monotonic() - self.started,
            done_before=self.before[0],
            successes_before=self.before[1],
        )

    async def _ask(self, gateway: Gateway, state: PhaseState, policy: str) -> None:
        """Tell the user which episodes the run waits for, and how to record them."""
        wanted, live = self.wanted, await gateway.patient(gateway.policy.live)
        kind = ', "kind": "evaluation"' if self.once else ""
        words = (
            f"Waiting for {self.need} recorded episodes of {wanted.environment}, split {', '.join(wanted.splits)}, "
            f"played by {wanted.version}; it has {state.done} so far. Let your agent play: POST {policy}/v1/episodes "
            f'{{"environment": "{wanted.environment}", "split": "{", ".join(wanted.splits)}", "task_id": …{kind}}}, '
            f"completions with the header X-A3T-Episode, then POST {policy}/v1/episodes/ID/reward. "
            f"The run waits for at most {self.context.recipe.recorded.wait_seconds:g} s."
        )
        if live.live != wanted.version:
            words += (
                f" Requests without a model are answered by {live.live}: let the agent name the model "
                f"{wanted.version}, or make that model live (`a3t adapters promote`, for the base `a3t adapters "
                "demote`)."
            )
        await self._note("waiting", words, need=self.need, done=state.done, version=wanted.version)

    def _check_time(self, state: PhaseState) -> None:
        limit = self.context.recipe.recorded.wait_seconds
        if time.monotonic() - self.started > limit:
            raise DeadlineError(
                f"Only {state.done} of {self.need} recorded episodes arrived within recorded.wait_seconds ({limit:g} "
                f"s).{self._left_out()}",
                hint=f"Let your agent play with the model {self.wanted.version}; `a3t run … --resume` continues to "
                "wait.",
            )

    def _end(self, session: Session, state: PhaseState) -> None:
        spend(session, self.context.run, self.number, self.phase, state.seconds)
        words = f"{state.done} recorded episodes, {state.successes} succeeded.{self._left_out()}"
        add_event(session, self.context.run, self.number, "recorded", words, done=state.done, left_out=self.left_out)

    def _left_out(self) -> str:
        if not self.left_out:
            return ""
        return f" Left out: {', '.join(f'{count} {why}' for why, count in sorted(self.left_out.items()))}."

    async def _note(self, kind: str, words: str, **data: Any) -> None:
        run, number = self.context.run, self.number
        await self.context.store.do(lambda session: add_event(session, run, number, kind, words, **data))
        self.context.listener.note(number, words)
