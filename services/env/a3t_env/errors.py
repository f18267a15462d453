"""Errors of the env service, in addition to those that all services share."""

from __future__ import annotations

from a3t_contracts.errors import DeadlineError, InvalidInputError

__all__ = ["NotBegunError", "NotOfferedError"]


class NotOfferedError(InvalidInputError):
    """The environment lacks what was asked for: a list of actions, a sampler, an expert. HTTP status 422. `GET
    /v1/environments` says what each environment has."""

    slug = "not-offered"


class NotBegunError(DeadlineError):
    """A call found no free thread or process in time. It was not made and may be repeated. HTTP status 504."""
