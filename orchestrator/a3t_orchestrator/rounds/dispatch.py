"""Getting a phase's work list done: sending it to the queue until nothing is left."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from redis.exceptions import RedisError
from sqlalchemy import func, select

from a3t_contracts.errors import UnavailableError

from ..queue.app import queue_lengths
from ..store import (
    PhaseKey,
    TrajectoryRow,
    add_event,
    dispatchable,
    lost_items,
    mark_queued,
    phase_counts,
    reclaim_expired,
    requeue_all,
    spend,
    touch_run,
)
from .context import PhaseState, RunContext

__all__ = ["complete_phase"]

_IDLE_SECONDS = 5.0
_NO_WORKER_SECONDS = 30.0
_QUEUE_OF = {"annotate": "annotation", "train": "training", "evaluate": "evaluation", "evaluate_base": "evaluation"}
_TASK_OF = {"annotate": "a3t.annotate_episodes", "train": "a3t.train_round"}


async def complete_phase(context: RunContext, key: PhaseKey) -> PhaseState:
    """Have workers do what the phase's work list still wants.

    The queue is never trusted: items whose worker fell silent, or whose queue entry vanished, are sent again, and
    claiming keeps a second delivery from doing harm. Raises UnavailableError where more than
    `limits.max_lost_share` of the items was lost.
    """
    with context.store.session() as session:
        touch_run(session, context.run, phase=key.phase, round=key.round)
        requeue_all(session, key, include_running=False)
    watch = _Watch(context, key)
    state = watch.state()
    lost_before = state.lost
    context.listener.phase(state)
    while state.done + state.lost < state.total:
        watch.send()
        await asyncio.sleep(context.poll_seconds)
        watch.recover()
        state = watch.state()
        context.listener.phase(state)
    watch.close(state, lost_before)
    return state


@dataclass(slots=True)
class _Watch:
    """One phase under way."""

    context: RunContext
    key: PhaseKey
    started: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    counts: dict[str, int] = field(default_factory=dict)
    before: tuple[int, int] | None = None
    warned: bool = False

    def state(self) -> PhaseState:
        with self.context.store.session() as session:
            counts = phase_counts(session, self.key)
            successes = session.scalar(
                select(func.count())
                .select_from(TrajectoryRow)
                .where(
                    TrajectoryRow.run == self.key.run,
                    TrajectoryRow.round == self.key.round,
                    TrajectoryRow.phase == self.key.phase,
                    TrajectoryRow.success,
                )
            )
        if counts != self.counts:
            self.counts, self.moved = counts, time.monotonic()
        done, successes = counts.get("done", 0), successes or 0
        if self.before is None:
            self.before = (done, successes)
        return PhaseState(
            self.key,
            total=sum(counts.values()),
            done=done,
            lost=counts.get("lost", 0),
            successes=successes,
            seconds=time.monotonic() - self.started,
            done_before=self.before[0],
            successes_before=self.before[1],
        )

    def send(self) -> None:
        """Put what waits into the queue, in chunks."""
        size = self.context.recipe.limits.chunk
        with self.context.store.session() as session:
            ids = dispatchable(session, self.key)
            mark_queued(session, ids)
        for start in range(0, len(ids), size):
            self._enqueue(ids[start : start + size])

    def recover(self) -> None:
        """Send again what was lost on the way."""
        silent = time.monotonic() - self.moved
        with self.context.store.session() as session:
            reclaim_expired(session, self.key)
        if not self.counts.get("queued") or self.counts.get("running") or silent < _IDLE_SECONDS:
            return
        if self._queue_length() == 0:
            with self.context.store.session() as session:
                requeue_all(session, self.key, include_running=False)
            self.moved = time.monotonic()
        elif silent > _NO_WORKER_SECONDS and not self.warned:
            self.warned = True
            queue = _QUEUE_OF.get(self.key.phase, "rollout")
            self.context.listener.note(self.key.round, f"No worker takes work from the queue {queue!r}.", "warn")

    def close(self, state: PhaseState, lost_before: int) -> None:
        """Note what the phase took, and what it lost."""
        with self.context.store.session() as session:
            spend(session, self.key.run, self.key.round, self.key.phase, state.seconds)
            if state.lost > lost_before:
                causes = sorted({item.error or "" for item in lost_items(session, self.key.run, self.key.round)})
                message = f"{self.key.phase} lost {state.lost} of {state.total} episodes: {'; '.join(causes[:3])}"
                add_event(session, self.key.run, self.key.round, "lost", message, level="warn", lost=state.lost)
                self.context.listener.note(self.key.round, message, "warn")
        if state.lost > self.context.recipe.limits.max_lost_share * state.total:
            raise UnavailableError(
                f"{self.key.phase} of round {self.key.round} lost {state.lost} of {state.total} episodes.",
                hint=f"`a3t runs show {self.key.run}` tells why; `a3t run … --resume` tries them again.",
            )

    def _enqueue(self, ids: list[str]) -> None:
        name = _TASK_OF.get(self.key.phase, "a3t.run_episodes")
        arguments = [self.key.run, self.key.round] if self.key.phase == "train" else [self.key.run, ids]
        queue = _QUEUE_OF.get(self.key.phase, "rollout")
        try:
            self.context.celery.send_task(name, args=arguments, queue=queue)
        except (RedisError, OSError) as error:
            raise UnavailableError(f"The queue cannot be reached: {error}", hint="`a3t status` shows it.") from error

    def _queue_length(self) -> int:
        try:
            lengths = queue_lengths(self.context.settings.redis_url or "")
        except RedisError:
            return -1
        return lengths[_QUEUE_OF.get(self.key.phase, "rollout")]
