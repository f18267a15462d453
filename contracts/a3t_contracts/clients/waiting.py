"""Waiting as long as an overloaded service asks for."""

from __future__ import annotations

from dataclasses import dataclass

from tenacity import RetryCallState
from tenacity.wait import wait_base
from typing_extensions import override

from ..errors import OverloadedError

__all__ = ["MOST_SECONDS", "AsAsked"]

MOST_SECONDS = 60.0
"""A service that asks for more is asked again after this time."""


@dataclass(frozen=True)
class AsAsked(wait_base):
    """A wait between two attempts: `usual`, but after 429 not less than the reply's `Retry-After`.

    Args:
        usual: tenacity's wait for every other failure.
    """

    usual: wait_base

    @override
    def __call__(self, retry_state: RetryCallState) -> float:
        """The seconds to wait."""
        failure = retry_state.outcome.exception() if retry_state.outcome else None
        error = getattr(failure, "error", failure)
        asked = error.retry_after if isinstance(error, OverloadedError) else 0.0
        return max(self.usual(retry_state), min(asked, MOST_SECONDS))
