"""Annotates records concurrently, a limited number at a time; results are in the order of the input."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a3t_contracts.clients import ActReClient
from a3t_contracts.errors import A3TError, Problem, error_from_problem
from a3t_contracts.schemas import Reason, ReasonQuery, ReasonsRequest

from ..app import create_desk
from ..settings import ActReSettings
from .records import Record

__all__ = ["Ask", "Finished", "annotate", "ask_local", "ask_service"]

Ask = Callable[[ReasonQuery], Awaitable[Reason]]


@dataclass(frozen=True, slots=True)
class Finished:
    """A finished record: the number of its reasons, and how many came from the fallback annotator or the cache; or
    the error if it has none.
    """

    record: Record
    reasons: int = 0
    fallbacks: int = 0
    cached: int = 0
    error: A3TError | None = None


@asynccontextmanager
async def ask_service(url: str, token: str, annotator: str | None, connections: int) -> AsyncIterator[Ask]:
    """A function that sends queries to the ActRe service at `url`."""
    async with ActReClient(url, token, timeout=600.0, max_connections=connections) as client:

        async def ask(query: ReasonQuery) -> Reason:
            reply = await client.reasons(ReasonsRequest(queries=[query], annotator=annotator))
            return _or_raise(reply.results[0])

        yield ask


@asynccontextmanager
async def ask_local(settings: ActReSettings, annotator: str | None) -> AsyncIterator[Ask]:
    """A function that answers queries in this process."""
    desk = create_desk(settings)

    async def ask(query: ReasonQuery) -> Reason:
        return _or_raise((await desk.answer([query], annotator))[0])

    try:
        yield ask
    finally:
        await desk.aclose()


async def annotate(records: Iterable[Record], ask: Ask, at_once: int) -> AsyncGenerator[Finished]:
    """Annotate records, `at_once` at the same time, and yield them in order.

    The steps of a record are annotated one after the other, because each reason is part of the history of the next one.
    """
    running: deque[asyncio.Task[Finished]] = deque()
    try:
        for record in records:
            running.append(asyncio.create_task(_finish(record, ask)))
            if len(running) >= at_once:
                yield await running.popleft()
        while running:
            yield await running.popleft()
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _finish(record: Record, ask: Ask) -> Finished:
    reasons: list[Reason] = []
    for index in record.open_steps:
        try:
            reason = await ask(record.query(index))
        except A3TError as error:
            return Finished(record, error=error)
        record.fill(index, reason)
        reasons.append(reason)
    fallbacks, cached = sum(r.fallback for r in reasons), sum(r.cached for r in reasons)
    return Finished(record, len(reasons), fallbacks, cached)


def _or_raise(result: Reason | Problem) -> Reason:
    if isinstance(result, Problem):
        raise error_from_problem(result)
    return result
