"""Evaluations that are played beside the rounds, in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from .context import RunContext

__all__ = ["Evaluations"]

Work = Callable[[RunContext], Awaitable[None]]


class Evaluations:
    """Evaluations wait until they are begun: the policy computes them while the trainer trains, and neither waits for
    the other. One that fails stops the run, as a phase in the foreground does.

    Args:
        group: holds the tasks; leaving it waits for them.
    """

    def __init__(self, context: RunContext, group: asyncio.TaskGroup) -> None:
        self._context, self._group = context, group
        self._waiting: list[Work] = []
        self._last: asyncio.Task[None] | None = None

    def add(self, work: Work) -> None:
        """Add an evaluation, which is begun with the next call of `begin` or `finish`."""
        self._waiting.append(work)

    def begin(self) -> None:
        """Begin those that wait, behind the progress of the phase in the foreground."""
        self._go(replace(self._context, aside=True))

    async def finish(self) -> None:
        """Begin those that wait in the foreground, and wait for the end of all."""
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
    """One after the other, so that rounds are finished in their order."""
    if before is not None:
        await before
    for work in works:
        await work(context)
