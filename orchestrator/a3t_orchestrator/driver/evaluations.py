"""Plays evaluations at the same time as later rounds, one after the other in the order of their rounds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from .context import RunContext

__all__ = ["Evaluations"]

Work = Callable[[RunContext], Awaitable[None]]


class Evaluations:
    """Collects evaluations and begins them when training starts: the policy is busy with them while the trainer trains,
    and neither waits for the other. An evaluation that fails stops the run, as a phase in the foreground does.

    Args:
        group: group of the asyncio tasks; leaving the group waits for them.
    """

    def __init__(self, context: RunContext, group: asyncio.TaskGroup) -> None:
        self._context, self._group = context, group
        self._waiting: list[Work] = []
        self._last: asyncio.Task[None] | None = None

    def add(self, work: Work) -> None:
        """Add an evaluation. The next call of `begin` or `finish` begins it."""
        self._waiting.append(work)

    def begin(self) -> None:
        """Begin the waiting evaluations in the background; the progress of the foreground phase stays visible."""
        self._go(replace(self._context, aside=True))

    async def finish(self) -> None:
        """Begin the waiting evaluations in the foreground, and wait until all evaluations have ended."""
        if self._last is not None:
            await self._last
        self._go(self._context)
        if self._last is not None:
            await self._last

    def _go(self, context: RunContext) -> None:
        works, self._waiting = self._waiting, []
        if works:
            self._last = self._group.create_task(_after(self._last, works, context))


async def _after(before: asyncio.Task[None] | None, works: list[Work], context: RunContext) -> None:
    """Carry out evaluations one after the other, so that rounds are finished in their order."""
    if before is not None:
        await before
    for work in works:
        await work(context)
