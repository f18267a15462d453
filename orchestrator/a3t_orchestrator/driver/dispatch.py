"""Sends a phase's work items to the queue and waits until all are done or given up."""

from __future__ import annotations

import asyncio
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import partial

from redis.exceptions import RedisError
from sqlalchemy.orm import Session

from a3t_contracts.errors import UnavailableError
from a3t_contracts.tracing import Span, span

from ..gateway import patiently
from ..queue import queue_lengths
from ..store import (
    PhaseKey,
    add_event,
    count_successes,
    dispatchable,
    events,
    lost_items,
    mark_queued,
    phase_counts,
    reclaim_expired,
    requeue_queued,
    spend,
    touch_run,
)
from .context import PhaseState, RunContext
from .record import phase_values

__all__ = ["complete_phase", "most_lost", "phase_span", "queue_room"]

_IDLE_SECONDS = 5.0
_NO_WORKER_SECONDS = 30.0
_LEAST_TASKS = 4
_QUEUED_PER_RUNNING = 3
_PATIENCE_OF_POLLS = 4
_LONGEST_POLL_SECONDS = 3.0
_NEAR_SECONDS = 8.0
_FAR_POLL_SECONDS = 1.0
_ALL = 100_000


def queue_room(queued: int, running: int, chunk: int) -> int:
    """Return how many work items of a run may be sent now, in whole chunks.

    A run may have three times as many items in the queue as are being played, and at least four chunks. So a run that
    begins after a large one waits for a few episodes of that run and not for all. Workers still never wait: the more
    workers play, the more items are sent.
    """
    most = max(_LEAST_TASKS * chunk, _QUEUED_PER_RUNNING * running)
    return max(0, most - queued) // chunk * chunk


def most_lost(share: float, total: int) -> float:
    """Return how many of a phase's items may be given up: `share` of them, but at least one in a phase of several
    items, unless `share` is 0. Otherwise one unplayable task would end a run with small phases."""
    return max(share * total, 1.0) if share > 0 and total > 1 else share * total


async def complete_phase(context: RunContext, key: PhaseKey, *, resumed: bool = False) -> PhaseState:
    """Send the phase's unfinished work items to workers and wait for them.

    `resumed`: another process began this pass. Items whose worker has stopped sending signs of life, or whose queue
    entry was lost, are sent again. Workers claim items before they play, so that a second delivery does no harm. Raises
    UnavailableError if more items were given up than `most_lost` allows.
    """

    def begin(session: Session) -> None:
        if not context.aside:
            touch_run(session, context.run, phase=key.phase, round=key.round)
        requeue_queued(session, key)

    await context.store.do(begin)
    watch = _Watch(context, key, resumed)
    state = await watch.state()
    lost_before = state.lost
    _tell(context, state)
    with phase_span(key) as here:
        while state.done + state.lost < state.total:
            looked = time.monotonic()
            await watch.send()
            await watch.recover()
            busy = (
                time.monotonic() - looked
            )  # counting a very long list is slow; the pause grows with it so that counting does not take all the time
            await asyncio.sleep(max(_pause(context, state), min(_PATIENCE_OF_POLLS * busy, _LONGEST_POLL_SECONDS)))
            state = await watch.state()
            _tell(context, state)
        here.set({"a3t.episodes": state.done, "a3t.successes": state.successes, "a3t.lost": state.lost})
    await watch.close(state, lost_before)
    return state


def phase_span(key: PhaseKey) -> AbstractContextManager[Span]:
    """Make the span of a phase of a run. It begins a new trace."""
    attributes = {"a3t.run": key.run, "a3t.round": key.round, "a3t.phase": key.phase.value}
    return span(f"phase {key.phase}", attributes, new_trace=True)


@dataclass(slots=True)
class _Watch:
    """Sends the items of a phase that is being carried out, and counts its progress."""

    context: RunContext
    key: PhaseKey
    resumed: bool
    started: float = field(default_factory=time.monotonic)
    moved: float = field(default_factory=time.monotonic)
    counts: dict[str, int] = field(default_factory=dict)
    before: tuple[int, int] | None = None
    warned: bool = False

    async def state(self) -> PhaseState:
        counts, successes = await self.context.store.do(
            lambda session: (phase_counts(session, self.key), count_successes(session, self.key))
        )
        if counts != self.counts:
            self.counts, self.moved = counts, time.monotonic()
        done = counts.get("done", 0)
        if self.before is None:
            self.before = (done, successes)
        return PhaseState(
            self.key,
            total=sum(counts.values()) - counts.get("dropped", 0),
            done=done,
            lost=counts.get("lost", 0),
            successes=successes,
            seconds=time.monotonic() - self.started,
            done_before=self.before[0],
            successes_before=self.before[1],
            resumed=self.resumed,
        )

    async def send(self) -> None:
        """Put waiting work items into the queue, in chunks."""
        limits = self.context.recipe.limits
        size = limits.chunk
        room = queue_room(self.counts.get("queued", 0), self.counts.get("running", 0), size)
        if room == 0 or not self.counts.get("pending"):
            return

        def take(session: Session) -> list[str]:
            ids = dispatchable(session, self.key, room)
            mark_queued(session, ids)
            return ids

        ids = await self.context.store.do(take)
        for start in range(0, len(ids), size):
            send = partial(asyncio.to_thread, self._enqueue, ids[start : start + size])
            await patiently(send, limits.outage_seconds)

    async def recover(self) -> None:
        """Send lost work items again."""
        silent = time.monotonic() - self.moved
        await self.context.store.do(partial(reclaim_expired, key=self.key))
        if not self.counts.get("queued") or self.counts.get("running") or silent < _IDLE_SECONDS:
            return
        if await asyncio.to_thread(self._queue_length) == 0:
            await self.context.store.do(partial(requeue_queued, key=self.key))
            self.moved = time.monotonic()
        elif silent > _NO_WORKER_SECONDS and not self.warned:
            self.warned = True
            queue = self.key.phase.traits.queue
            words = f"No worker takes items from the queue {queue!r}."
            await self.context.tell(self.key.round, "no_worker", words)

    async def close(self, state: PhaseState, lost_before: int) -> None:
        """Record the duration of the phase and the items that were given up."""
        run, number, phase = self.key.run, self.key.round, self.key.phase

        def note(session: Session) -> str | None:
            spend(session, run, number, phase, state.seconds)
            if state.total and (state.done > state.done_before or not _is_told(session, self.key)):
                words = f"{phase.traits.label}: {state.done} of {state.total} episodes"
                add_event(session, run, number, "phase_finished", words, **phase_values(state))
            if state.lost <= lost_before:
                return None
            causes = sorted({item.error or "" for item in lost_items(session, run, number)})
            message = f"{phase} of round {number} lost {state.lost} of {state.total} episodes: {'; '.join(causes[:3])}"
            add_event(session, run, number, "lost", message, level="warn", lost=state.lost)
            return message

        message = await self.context.store.do(note)
        if message is not None:
            self.context.listener.note(number, message, "warn")
        if state.lost > most_lost(self.context.recipe.limits.max_lost_share, state.total):
            raise UnavailableError(
                message or f"{phase} of round {number} lost {state.lost} of {state.total} episodes.",
                hint=f"`a3t runs show {run}` shows the reasons; `a3t run … --resume` tries the episodes again.",
            )

    def _enqueue(self, ids: list[str]) -> None:
        traits = self.key.phase.traits
        try:
            self.context.celery.send_task(traits.task, args=[self.key.run, ids], queue=traits.queue)
        except (RedisError, OSError) as error:
            raise UnavailableError(
                f"The queue cannot be reached: {error}", hint="`a3t status` shows its state."
            ) from error

    def _queue_length(self) -> int:
        try:
            lengths = queue_lengths(self.context.settings.redis_url or "")
        except RedisError:
            return -1
        return lengths[self.key.phase.traits.queue or ""]


def _pause(context: RunContext, state: PhaseState) -> float:
    """Return the seconds until the next look at the database. They are few near the end of a foreground phase, so that
    the next phase begins at once."""
    far = context.aside or (state.eta_seconds is not None and state.eta_seconds > _NEAR_SECONDS)
    return max(context.poll_seconds, _FAR_POLL_SECONDS) if far else context.poll_seconds


def _tell(context: RunContext, state: PhaseState) -> None:
    """Report progress to the listener. A phase that is not in the foreground is reported only when it has ended."""
    if not context.aside or state.done + state.lost == state.total:
        context.listener.phase(state)


def _is_told(session: Session, key: PhaseKey) -> bool:
    """Return whether an event says that the phase is finished. A resumed run finds its earlier phases done and does not
    report them again. A driver may also have died between the last episode and the event."""
    told = events(session, key.run, limit=_ALL, kind="phase_finished")
    return any((event.round, event.data.get("phase")) == (key.round, key.phase) for event in told)
