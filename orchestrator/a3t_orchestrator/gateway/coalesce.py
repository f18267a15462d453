"""Combines calls that are made at the same time into few requests."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from a3t_contracts.errors import Problem, UpstreamError, error_from_problem

__all__ = ["Coalescer"]

Query = TypeVar("Query")
Answer = TypeVar("Answer")


class Coalescer(Generic[Query, Answer]):
    """Combines calls that arrive while earlier ones are running into one request.

    Each caller waits for its answer, so the number of waiting queries is at most the number of episodes that the worker
    plays. A request belongs to many callers; its log ids are those of the code that made this object.

    Args:
        send: makes one call for many queries, and returns their answers in order, with a problem document for each
            query that failed.
        largest: largest number of queries in one call.
        in_flight: largest number of calls at the same time.
    """

    def __init__(
        self,
        send: Callable[[list[Query]], Awaitable[Sequence[Answer | Problem]]],
        largest: int = 256,
        in_flight: int = 2,
    ) -> None:
        self._send = send
        self._largest = largest
        self._slots = in_flight
        self._waiting: list[tuple[Query, asyncio.Future[Answer]]] = []
        self._senders: set[asyncio.Task[None]] = set()
        self._context = contextvars.copy_context()

    async def __call__(self, query: Query) -> Answer:
        """Return the answer to one query. Raises the error of the call, or that of the query itself."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((query, future))
        if len(self._senders) < self._slots:
            self._senders.add(asyncio.create_task(self._drain(), context=self._context.copy()))
        return await future

    @property
    def sending(self) -> int:
        """Number of calls under way."""
        return len(self._senders)

    async def aclose(self) -> None:
        """Cancel the running calls."""
        for sender in list(self._senders):
            sender.cancel()
        await asyncio.gather(*self._senders, return_exceptions=True)

    async def _drain(self) -> None:
        """Send calls until no query waits.

        A sender that finds the queue empty frees its place at once. Otherwise a query that arrives before the sender's
        done-callback would not be sent.
        """
        try:
            while self._waiting:
                await asyncio.sleep(0)  # episodes that are ready now join this call
                batch, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
                batch = [(query, future) for query, future in batch if not future.done()]
                if batch:
                    await self._answer(batch)
        finally:
            if (task := asyncio.current_task()) is not None:
                self._senders.discard(task)

    async def _answer(self, batch: list[tuple[Query, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._send([query for query, _ in batch])
            if len(answers) != len(batch):
                raise UpstreamError(f"{len(batch)} queries were sent, but {len(answers)} answers came back.")
        except (Exception, asyncio.CancelledError) as error:  # whatever the error is, no caller may wait for ever
            for _, future in batch:
                _fail(future, error)
            if isinstance(error, asyncio.CancelledError):
                raise
            return
        for (_, future), answer in zip(batch, answers, strict=True):
            if isinstance(answer, Problem):
                _fail(future, error_from_problem(answer))
            elif not future.done():
                future.set_result(answer)


def _fail(future: asyncio.Future[Answer], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(error)
