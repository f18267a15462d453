"""Errors of the env service, in addition to those that all services share."""

from __future__ import annotations

from a3t_contracts.errors import DeadlineError, InvalidInputError

__all__ = ["NotBegunError", "NotOfferedError"]


class NotOfferedError(InvalidInputError):
    """The environment does not offer what was asked for: a list of actions, a sampler or an expert. HTTP status 422.
    `GET /v1/environments` says what each environment offers.
    """

    slug = "not-offered"


class NotBegunError(DeadlineError):
    """A call got no free thread or process in time. It was not carried out, and may be repeated. HTTP status 504."""
