"""Waits between attempts at least as long as an overloaded service asks for, up to a limit."""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import RetryCallState
from tenacity.wait import wait_base
from typing_extensions import override

from ..errors import OverloadedError

__all__ = ["MOST_SECONDS", "AsAsked"]

MOST_SECONDS = 60.0
"""Longest wait in seconds that a service may ask for."""


@dataclass(frozen=True)
class AsAsked(wait_base):
    """The wait between two attempts: `usual`, but after status 429 at least the reply's `Retry-After`.

    Args:
        usual: tenacity's wait after other failures.
    """

    usual: wait_base

    @override
    def __call__(self, retry_state: RetryCallState) -> float:
        """Return the seconds to wait."""
        failure = retry_state.outcome.exception() if retry_state.outcome else None
        error = getattr(failure, "error", failure)
        asked = error.retry_after if isinstance(error, OverloadedError) else 0.0
        return max(self.usual(retry_state), min(asked, MOST_SECONDS))
