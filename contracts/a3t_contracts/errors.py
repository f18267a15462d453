"""One error hierarchy for every service and client; on the wire an error is an RFC 9457 problem document.

A3TError 500 ├── InvalidInputError 422 a value has the wrong form or meaning │ └── UnplayableError 422 a task cannot be
played with its files as they are ├── UnauthorizedError 401 no or wrong bearer token ├── ForbiddenError 403 the token's
role does not allow it, or a form came from another site ├── NotFoundError 404 unknown task, session, adapter version,
job, ... ├── RequestTimeoutError 408 the client sent its request too slowly ├── ConflictError 409 the state forbids it
now (two steps at once, version exists) ├── GoneError 410 it existed and is closed or reaped ├── TooLargeError 413 body,
prompt or batch over the limit ├── OverloadedError 429 a cap is reached; carries `retry_after` seconds ├── UpstreamError
502 a server behind this one failed ├── UnavailableError 503 not ready, or out of reach; carries `retry_after` └──
DeadlineError 504 a bounded wait ran out
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = [
    "A3TError",
    "ConflictError",
    "DeadlineError",
    "DiskFullError",
    "ForbiddenError",
    "GoneError",
    "InvalidInputError",
    "MediaTypeError",
    "NotFoundError",
    "OverloadedError",
    "Problem",
    "RequestTimeoutError",
    "TooLargeError",
    "UnauthorizedError",
    "UnavailableError",
    "UnplayableError",
    "UpstreamError",
    "error_from_problem",
    "error_from_response",
]

PROBLEM_JSON = "application/problem+json"


class Problem(BaseModel):
    """A problem document (RFC 9457): the body of every error reply."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(
        "about:blank", description="Identifies the kind of problem; `about:blank` where the status code says enough"
    )
    title: str = Field(description="The kind of problem in a few words")
    status: int = Field(description="HTTP status code")
    detail: str = Field(description="What was wrong, and where")
    hint: str | None = Field(None, description="What to do about it; null where nothing is known")
    instance: str | None = Field(None, description="Path of the request; null where it is not known")


class A3TError(Exception):
    """Base class of every error that the project raises on purpose.

    Args:
        detail: what was wrong, and where.
        hint: what to do about it.
        extra: further members of the problem document (JSON values).
    """

    status: ClassVar[int] = 500
    slug: ClassVar[str] = "internal"

    def __init__(self, detail: str, *, hint: str | None = None, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.extra = extra

    def __str__(self) -> str:
        return f"{self.detail} {self.hint}" if self.hint else self.detail

    def problem(self, instance: str | None = None) -> Problem:
        """The error as a problem document."""
        return Problem(
            type=f"urn:a3t:problem:{self.slug}",
            title=HTTPStatus(self.status).phrase,
            status=self.status,
            detail=self.detail,
            hint=self.hint,
            instance=instance,
            **self.extra,
        )


class InvalidInputError(A3TError):
    """A value has the wrong form or meaning. HTTP status 422."""

    status, slug = 422, "invalid-input"


class UnplayableError(InvalidInputError):
    """A task cannot be played, now or later: its files are missing, changed or broken. Trying again does not help."""

    slug = "unplayable"
    unplayable: ClassVar[bool] = True
    """Environments that do not import this class set the same attribute on an exception class of their own."""


class UnauthorizedError(A3TError):
    """The bearer token is missing or wrong. HTTP status 401."""

    status, slug = 401, "unauthorized"


class ForbiddenError(A3TError):
    """The token is known, and its role does not allow the request. HTTP status 403."""

    status, slug = 403, "forbidden"


class NotFoundError(A3TError):
    """What a request names does not exist. HTTP status 404."""

    status, slug = 404, "not-found"


class RequestTimeoutError(A3TError):
    """The client sent its request too slowly (A3T_CLIENT_SECONDS). HTTP status 408."""

    status, slug = 408, "request-timeout"


class ConflictError(A3TError):
    """The present state forbids the request, for example a second step at the same time. HTTP status 409."""

    status, slug = 409, "conflict"


class GoneError(A3TError):
    """What a request names existed and is closed. HTTP status 410."""

    status, slug = 410, "gone"


class TooLargeError(A3TError):
    """The request body is longer than the service accepts. HTTP status 413."""

    status, slug = 413, "too-large"


class MediaTypeError(A3TError):
    """The request body is not declared as a media type that the service reads. HTTP status 415."""

    status, slug = 415, "unsupported-media-type"


class _RetryLaterError(A3TError):
    def __init__(self, detail: str, *, hint: str | None = None, retry_after: float = 1.0, **extra: Any) -> None:
        super().__init__(detail, hint=hint, retry_after=retry_after, **extra)
        self.retry_after = retry_after


class OverloadedError(_RetryLaterError):
    """The service has no room for more work; `retry_after` seconds later it may. HTTP status 429."""

    status, slug = 429, "overloaded"


class UpstreamError(A3TError):
    """A server behind this service failed or gave a reply that is not understood. HTTP status 502."""

    status, slug = 502, "upstream"


class UnavailableError(_RetryLaterError):
    """The service, or a server behind it, cannot be used now; `retry_after` seconds later it may. HTTP status 503."""

    status, slug = 503, "unavailable"


class DiskFullError(UnavailableError):
    """A disk is full. The same request succeeds once there is room again. HTTP status 503."""

    slug = "disk-full"


class DeadlineError(A3TError):
    """The work was not done within its time. HTTP status 504."""

    status, slug = 504, "deadline"


_BY_STATUS: dict[int, type[A3TError]] = {
    cls.status: cls
    for cls in (
        InvalidInputError,
        UnauthorizedError,
        ForbiddenError,
        NotFoundError,
        RequestTimeoutError,
        ConflictError,
        GoneError,
        TooLargeError,
        MediaTypeError,
        OverloadedError,
        UpstreamError,
        UnavailableError,
        DeadlineError,
        A3TError,
    )
} | {400: InvalidInputError}

_BY_TYPE: dict[str, type[A3TError]] = {f"urn:a3t:problem:{UnplayableError.slug}": UnplayableError}
"""Error classes that are found by a problem's `type`, because they share their status with another class."""


def error_from_problem(problem: Problem) -> A3TError:
    """Return the typed error that a problem document stands for."""
    cls = _BY_TYPE.get(problem.type) or _BY_STATUS.get(problem.status)
    if cls is None:
        cls = InvalidInputError if 400 <= problem.status < 500 else A3TError
    return cls(problem.detail, hint=problem.hint, **(problem.model_extra or {}))


def error_from_response(status: int, body: bytes, where: str) -> A3TError:
    """Return the typed error of a failed HTTP reply. A body that is not a problem document is quoted in part."""
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        text = body[:300].decode("utf-8", "replace").strip()
        problem = Problem(title="", status=status, detail=f"{where} answered {status}: {text or 'empty body'}")
    return error_from_problem(problem)
