"""HTTP calls to a server that is not trusted: they are limited in time and size, and follow no redirects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpcore
import orjson
from pydantic import TypeAdapter, ValidationError

from a3t_contracts.errors import A3TError, OverloadedError, UnavailableError, UnplayableError, UpstreamError

from ..plugins.results import BadResultError
from .deadline import DeadlineBackend, remaining
from .lost import BusyError, EpisodeLostError, FailedError, RefusedError, ReplyLostError

__all__ = ["LIST_BYTES", "RemoteHttp", "checked", "read"]

ResultT = TypeVar("ResultT")
LIST_BYTES = 64 * 2**20
"""Largest reply that lists tasks, in bytes."""


class RemoteHttp:
    """Calls one remote server. Thread-safe; connections are kept and shared.

    Args:
        name: the environment's name, for error messages.
        base: URL without a slash at its end.
        max_bytes: largest reply in bytes; a larger one is refused.
        headers: sent with every call.
    """

    def __init__(self, name: str, base: str, max_bytes: int, headers: Mapping[str, str] | None = None) -> None:
        self.name, self.base = name, base
        self._max_bytes = max_bytes
        self._headers = list((headers or {}).items())
        self._pool = httpcore.ConnectionPool(
            max_connections=1024,
            max_keepalive_connections=256,
            keepalive_expiry=60.0,
            network_backend=DeadlineBackend(),
        )

    def call(self, method: str, path: str, body: Any = None, *, max_bytes: int | None = None) -> bytes:
        """Make a call within the deadline of this thread, and return the body of a reply with a status 2xx.

        Raises ReplyLostError if no reply came, EpisodeLostError for 404 and 410, BusyError for 429 and 503,
        UnplayableError for 422 with `"unplayable": true` in its body, RefusedError for 400 and any other 422,
        UpstreamError for every other reply and for one that is too large.
        """
        content = None if body is None else orjson.dumps(body)
        headers = [*self._headers, ("Content-Type", "application/json")] if content is not None else self._headers
        limit = max_bytes or self._max_bytes
        try:
            timeouts = {"pool": remaining()}
            with self._pool.stream(
                method, self.base + path, headers=headers, content=content, extensions={"timeout": timeouts}
            ) as reply:
                received = self._read(reply, limit, f"{method} {path}")
        except (httpcore.TimeoutException, httpcore.NetworkError, httpcore.ProtocolError) as error:
            why = str(error) or type(error).__name__
            raise ReplyLostError(
                f"The server of {self.name} ({self.base}) did not answer {method} {path}: {why}."
            ) from error
        if 200 <= reply.status < 300:
            return received
        raise self._refused(reply, received, f"{method} {path}")

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.close()

    def _read(self, reply: httpcore.Response, limit: int, what: str) -> bytes:
        received = bytearray()
        for part in reply.iter_stream():
            received += part
            if len(received) > limit:
                raise UpstreamError(
                    f"The server of {self.name} answered {what} with more than {limit} bytes.",
                    hint="Let the server send less, or raise A3T_ENV_REMOTE_MAX_BYTES.",
                )
        return bytes(received)

    def _refused(self, reply: httpcore.Response, body: bytes, what: str) -> A3TError | BusyError:
        text = body[:300].decode("utf-8", "replace").strip() or "an empty body"
        detail = f"The server of {self.name} answered {what} with {reply.status}: {text}"
        if 300 <= reply.status < 400:
            return UpstreamError(f"{detail} Redirects are not followed.", hint="Give the URL that it redirects to.")
        if reply.status in (401, 403):
            return UpstreamError(detail, hint=f"Give its token in A3T_ENV_REMOTE_TOKENS={self.name}=TOKEN.")
        if reply.status in (404, 410):
            return EpisodeLostError(detail)
        if reply.status == 422 and _unplayable(body):
            return UnplayableError(detail)
        if reply.status in (400, 422):
            return RefusedError(detail)
        if reply.status == 429:
            return BusyError(OverloadedError(detail, retry_after=2.0))
        if reply.status == 503:
            return BusyError(UnavailableError(detail, retry_after=2.0))
        return FailedError(detail) if reply.status >= 500 else UpstreamError(detail)


def _unplayable(body: bytes) -> bool:
    """Whether the body of a reply says that the task can never be played."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return isinstance(said, dict) and said.get("unplayable") is True


def checked(adapter: TypeAdapter[ResultT], body: bytes, where: str) -> ResultT:
    """Parse a reply. Raises UpstreamError, which names the first fault."""
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, fault["loc"])) or "the reply"
        raise UpstreamError(f"{where} does not follow the protocol: {place}: {fault['msg']}.") from error


def read(where: str, reader: Callable[..., ResultT], *given: object) -> ResultT:
    """Apply a reader of results to a reply. Raises UpstreamError, which says what is wrong with the reply."""
    try:
        return reader(*given)
    except BadResultError as error:
        raise UpstreamError(f"{where} does not follow the protocol: {error}.") from error
