"""Answers batches of queries: chooses the annotator, limits concurrency and keeps the order."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from a3t_contracts.errors import A3TError, InvalidInputError, OverloadedError, Problem
from a3t_contracts.schemas import Reason, ReasonQuery
from a3t_contracts.tracing import bound_ids

from .annotators.base import Annotator
from .metrics import count_failure, count_reason
from .traced import reason_span, tell_reason

__all__ = ["Desk"]


class Desk:
    """Answers batches of queries.

    Args:
        annotators: annotators by name.
        default: name of the annotator for requests that name none.
        concurrency: largest number of reasons that are written at the same time, over all requests.
        queue: largest number of unfinished queries; a further request is refused.
    """

    def __init__(self, annotators: Mapping[str, Annotator], default: str, concurrency: int, queue: int) -> None:
        self.annotators = annotators
        self.default = default
        self._slots = asyncio.Semaphore(concurrency)
        self._queue = queue
        self._in_hand = 0

    async def answer(self, queries: Sequence[ReasonQuery], name: str | None) -> list[Reason | Problem]:
        """Answer queries. Returns one result for each, in order; the result of a failed query is a problem document.
        Raises InvalidInputError for an unknown annotator, OverloadedError above the limit.
        """
        annotator = self._pick(name or self.default)
        if self._in_hand and self._in_hand + len(queries) > self._queue:
            raise OverloadedError(
                f"{self._in_hand} queries are unfinished already; the limit is {self._queue}.",
                retry_after=2.0,
                hint="Try again later, or raise A3T_ACTRE_QUEUE.",
            )
        self._in_hand += len(queries)
        try:
            return await asyncio.gather(*(self._one(annotator, query) for query in queries))
        finally:
            self._in_hand -= len(queries)

    async def check(self) -> dict[str, object]:
        """Facts for `GET /ready`. Raises while the default annotator cannot take work."""
        annotator = self.annotators[self.default]
        await annotator.check()
        return {"annotator": self.default, "annotators": sorted(self.annotators), "model": annotator.model}

    async def aclose(self) -> None:
        """Close every annotator."""
        for annotator in self.annotators.values():
            await annotator.aclose()

    def _pick(self, name: str) -> Annotator:
        if name in self.annotators:
            return self.annotators[name]
        hint = "Set A3T_ACTRE_UPSTREAM_URL to use an LLM." if name == "llm" else None
        raise InvalidInputError(
            f"annotator {name!r} is not offered here, only {', '.join(self.annotators)}.", hint=hint
        )

    async def _one(self, annotator: Annotator, query: ReasonQuery) -> Reason | Problem:
        environment = query.history.environment
        async with self._slots:
            try:
                ids = query.origin.ids if query.origin is not None else {}
                with bound_ids(**ids), reason_span(query, annotator.name) as here:
                    reason = await annotator.reason(query)
                    tell_reason(here, reason)
            except A3TError as error:
                count_failure(annotator.name, environment, error)
                return error.problem()
        count_reason(environment, reason)
        return reason
