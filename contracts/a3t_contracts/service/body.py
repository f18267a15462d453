"""Limits of request bodies; long bodies are parsed in a thread.

A service answers on one event loop, so the time that a request takes there must not grow with its size. A body over the
limit is refused before it is read. A body above `INLINE_BYTES` is parsed and validated in a thread, one body at a time,
so that other requests wait for one body at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope
from typing_extensions import override

from ..errors import InvalidInputError, TooLargeError, UnavailableError
from .lane import Lane

__all__ = ["INLINE_BYTES", "BodyLimits", "JsonRoute", "drain", "validated"]

T = TypeVar("T")

INLINE_BYTES = 64 * 1024
"""Largest body, in bytes, that is parsed on the event loop: below it a thread would cost more than the parsing."""
_MOST_ERRORS = 1000
"""Largest number of errors in a body that are listed. Of a body with more, only their number is reported, to save
time."""
_DRAIN_SECONDS = 10.0
_lane = Lane("body", 1)


class BodyLimits:
    """Largest number of bytes of a request body: `by_path` for the paths that it names, `usual` for all others."""

    def __init__(self, usual: int, by_path: Mapping[str, int] | None = None) -> None:
        self._usual, self._by_path = usual, dict(by_path or {})

    def of(self, scope: Scope) -> int:
        """Return the limit of a request in bytes."""
        return self._by_path.get(scope["path"], self._usual)

    def refusal(self, scope: Scope, headers: Mapping[bytes, bytes]) -> TooLargeError | None:
        """Return the error for a request whose Content-Length is over the limit; None if it is not."""
        length, limit = headers.get(b"content-length", b""), self.of(scope)
        return _too_large(limit) if length.isdigit() and int(length) > limit else None

    def guard(self, scope: Scope, headers: Mapping[bytes, bytes], receive: Receive) -> Receive:
        """Wrap `receive` so that it raises TooLargeError once more bytes arrive than the limit.

        The body of a request with a Content-Length needs no guard: `refusal` has checked the length, and HTTP reads no
        further.
        """
        if b"content-length" in headers and b"transfer-encoding" not in headers:
            return receive
        seen, limit = 0, self.of(scope)

        async def guarded() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > limit:
                if message.get("more_body"):
                    await drain(headers, receive)
                raise _too_large(limit)
            return message

        return guarded


async def drain(headers: Mapping[bytes, bytes], receive: Receive) -> None:
    """Read the body of a refused request and throw it away, for at most `_DRAIN_SECONDS` seconds.

    A client that still sends while the connection closes would not read the error. Nothing is read from a client that
    waits for `100 Continue` (header `Expect`) before it sends.
    """
    if b"expect" in headers:
        return
    try:
        async with asyncio.timeout(_DRAIN_SECONDS):
            while (await receive()).get("more_body"):
                continue
    except TimeoutError:
        return


async def validated(model: TypeAdapter[T], body: bytes) -> T:
    """Parse and validate a JSON body, in a thread if it is long. Raises RequestValidationError, as FastAPI does, or
    InvalidInputError for a body with too many errors to list."""
    if len(body) <= INLINE_BYTES:
        return _validated(model, body)
    return await _lane(partial(_validated, model, body))


class JsonRoute(APIRoute):
    """A route whose JSON bodies are parsed by `validated`: long ones off the event loop; bodies nested more than 200
    levels deep are refused. Use it by `APIRouter(route_class=JsonRoute)`."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handler = super().get_route_handler()
        kind: Any = self.body_field.field_info.annotation if self.body_field is not None else None
        if kind is None or len(self.dependant.body_params) != 1:
            return handler
        model: TypeAdapter[Any] = TypeAdapter(kind)

        async def handle(request: Request) -> Response:
            ours = _JsonRequest(request.scope, request.receive)
            body = await _read(ours)
            if body and _is_json(request):
                ours.model = await validated(model, body)
            return await handler(ours)

        return handle


class _JsonRequest(Request):
    """A request whose body may have been parsed into a model already, which FastAPI then takes unchanged.

    Short bodies are parsed in the same way, so that nesting of more than 200 levels is always refused by the same
    parser.
    """

    model: Any = None

    async def json(self) -> Any:
        return await super().json() if self.model is None else self.model


async def _read(request: Request) -> bytes:
    try:
        return await request.body()
    except ClientDisconnect as error:
        raise UnavailableError("The client went away before its request was complete.") from error


def _is_json(request: Request) -> bool:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    return kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))


def _validated(model: TypeAdapter[T], body: bytes) -> T:
    try:
        return model.validate_json(body)
    except ValidationError as error:
        if error.error_count() > _MOST_ERRORS:
            raise InvalidInputError(
                f"The body has {error.error_count()} values or names that do not belong there.",
                hint="Correct some of them and send the body again: up to 1,000 errors are listed one by one.",
            ) from None
        found = error.errors(include_url=False, include_input=False, include_context=False)
        raise RequestValidationError([{**e, "loc": ("body", *e["loc"])} for e in found]) from None


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"The request body is over the limit of {limit} bytes.", hint="Send less at once.")
