"""Repeats a call to the LLM server until it succeeds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt

from a3t_contracts.errors import A3TError, DeadlineError, UpstreamError

from ..cleaning import UnusableReason
from ..metrics import REFUSED

__all__ = ["Attempts"]


class Attempts:
    """Repeats a call until it succeeds, fails permanently, or has failed too often. Use each instance once.

    Args:
        call: makes an attempt; its argument is the number of the attempt, from 0.
        timeout: seconds for one attempt.
        retries: largest number of attempts after the first one.
    """

    def __init__(self, call: Callable[[int], Awaitable[str]], timeout: float, retries: int) -> None:
        self._call = call
        self._timeout = timeout
        self._causes: list[str] = []
        self._passing = False
        self._retrying = AsyncRetrying(
            stop=stop_after_attempt(retries + 1),
            wait=self._pause,
            retry=retry_if_exception(lambda error: isinstance(error, A3TError) and self._passing),
            reraise=True,
        )

    async def result(self) -> str:
        """The result of the call. Raises the A3TError of the last attempt."""
        return await self._retrying(self._attempt)

    async def _attempt(self) -> str:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._call(len(self._causes))
        except UnusableReason as unusable:
            self._note(unusable.cause, passing=True)
            raise _no_usable(self._causes) from unusable
        except TimeoutError as error:
            self._note("deadline", passing=True)
            raise DeadlineError(
                f"The LLM server did not answer within {self._timeout:g} s.",
                hint="Raise A3T_ACTRE_TIMEOUT, or use a faster server.",
            ) from error
        except A3TError as error:
            self._note(error.slug, passing=bool(error.extra.get("passing")))
            raise

    def _note(self, cause: str, passing: bool) -> None:
        """Record why an attempt failed, and whether another one may succeed."""
        self._causes.append(cause)
        self._passing = passing
        REFUSED.labels(cause).inc()

    def _pause(self, state: RetryCallState) -> float:
        """Seconds before the next attempt: 0 after an unusable reason, otherwise doubling with jitter."""
        if self._causes[-1] not in ("unavailable", "upstream", "deadline"):
            return 0.0
        return float(min(0.25 * 2**state.attempt_number, 4.0) * random.uniform(0.5, 1.0))


def _no_usable(causes: Sequence[str]) -> UpstreamError:
    return UpstreamError(
        f"The LLM gave no usable reason in {len(causes)} attempts: {', '.join(causes)}.",
        hint="Use a stronger model, more A3T_ACTRE_RETRIES, or A3T_ACTRE_FALLBACK=template.",
    )
