"""Errors of the env service beside those that all services share."""

from __future__ import annotations

from a3t_contracts.errors import DeadlineError, InvalidInputError

__all__ = ["NotBegunError", "NotOfferedError"]


class NotOfferedError(InvalidInputError):
    """422: the environment does not have what was asked for: a list of actions, a sampler, an expert.
    `GET /v1/environments` says beforehand what each has."""

    slug = "not-offered"


class NotBegunError(DeadlineError):
    """504: a call found no free thread or process in time. It was not made and may be repeated."""
