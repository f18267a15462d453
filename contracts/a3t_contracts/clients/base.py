"""Base class of the clients: a pooled httpx client with timeouts, bounded retries with jitter, and typed errors."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Self, TypeVar

import httpx
from pydantic import BaseModel, ValidationError
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from ..errors import A3TError, DeadlineError, OverloadedError, UnavailableError, UpstreamError, error_from_response
from ..tracing import id_headers
from .connections import transport_for
from .waiting import AsAsked

__all__ = ["RetryPolicy", "ServiceClient"]

ModelT = TypeVar("ModelT", bound=BaseModel)
_PASSING = frozenset({429, 502, 503, 504})


class _PassingError(Exception):
    """A failure that may not occur again, so that the call is worth repeating."""

    def __init__(self, error: A3TError) -> None:
        super().__init__(str(error))
        self.error = error


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often an idempotent call is tried: at most `attempts` times in all. The wait before the next one starts at
    `initial` seconds and doubles up to `maximum`; up to `jitter` seconds are added to each. After 429 it is not shorter
    than the reply's `Retry-After`."""

    attempts: int = 4
    initial: float = 0.2
    maximum: float = 5.0
    jitter: float = 0.2

    def retrying(self) -> AsyncRetrying:
        """Return the tenacity object that repeats a call after a failure that may pass."""
        return AsyncRetrying(
            retry=retry_if_exception_type(_PassingError),
            stop=stop_after_attempt(self.attempts),
            wait=AsAsked(wait_exponential(multiplier=self.initial, max=self.maximum) + wait_random(0, self.jitter)),
            reraise=True,
        )


class ServiceClient:
    """Async client of one service. Use it as a context manager, or call `aclose` at the end.

    Errors: the service's problem documents as the classes of `a3t_contracts.errors`; `UnavailableError` where it
    cannot be reached; `DeadlineError` where it does not answer within `timeout` seconds.
    """

    service = "service"

    def __init__(
        self,
        base_url: str,
        token: str = "",
        *,
        timeout: float = 60.0,
        retry: RetryPolicy | None = None,
        max_connections: int = 256,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.retry = retry or RetryPolicy()
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            headers={"Authorization": f"Bearer {token}"} if token else None,
            timeout=httpx.Timeout(timeout, connect=min(10.0, timeout)),
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            transport=transport or transport_for(base_url, max_connections),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def health(self) -> dict[str, Any]:
        """Call `GET /health` of the service."""
        reply = await self._send("GET", "/health")
        return dict(reply.json())

    async def ready(self) -> dict[str, Any]:
        """Call `GET /ready` of the service. Raises `UnavailableError` while it cannot take work."""
        reply = await self._send("GET", "/ready")
        return dict(reply.json())

    async def _call(
        self,
        reply_type: type[ModelT],
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = None,
    ) -> ModelT:
        """Make one call and return its reply as `reply_type`. `idempotent`: whether the call may be repeated; None
        allows it for GET and DELETE only."""
        reply = await self._send(method, path, body, params=params, idempotent=idempotent, timeout=timeout)
        try:
            return reply_type.model_validate_json(reply.content)
        except ValidationError as error:
            raise UpstreamError(
                f"{self.service} service at {self.base_url} gave a reply to {method} {path} that this client does not "
                f"understand: {error.errors()[0]['msg']}.",
                hint="Service and client may be of different versions: `GET /health` of a service names its own.",
            ) from error

    async def _lines(self, path: str, params: Mapping[str, Any], silence: float | None = None) -> AsyncIterator[str]:
        """Yield the lines of a streamed reply, without a time limit for the whole stream. Opening it is retried as in
        `_send`.

        `silence`: seconds without a byte after which the connection counts as broken; None sets no limit.
        """
        timeout = httpx.Timeout(self._http.timeout.connect, read=silence)
        request = self._http.build_request("GET", path, params=params, headers=id_headers(), timeout=timeout)
        reply = await self._persist(partial(self._attempt, request, stream=True), may_repeat=True)
        try:
            async for line in reply.aiter_lines():
                yield line
        except httpx.TransportError as error:
            raise UnavailableError(
                f"{self._where} broke off its reply to GET {path}: {error!r}.",
                hint="The service's log may say why; try again.",
            ) from error
        finally:
            await reply.aclose()

    async def _send(
        self,
        method: str,
        path: str,
        body: BaseModel | None = None,
        *,
        params: Mapping[str, Any] | None = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        idempotent: bool | None = None,
        timeout: float | None = None,
    ) -> httpx.Response:
        may_repeat = method in ("GET", "DELETE") if idempotent is None else idempotent
        sent_headers = id_headers() | dict(headers or {})
        if body is not None:
            content = body.model_dump_json(exclude_none=True).encode()
            sent_headers["Content-Type"] = "application/json"
        request = self._http.build_request(
            method,
            path,
            params=_without_none(params),
            content=content,
            headers=sent_headers,
            timeout=self._http.timeout if timeout is None else timeout,
        )
        return await self._persist(partial(self._attempt, request), may_repeat)

    async def _persist(self, attempt: Callable[[], Awaitable[httpx.Response]], may_repeat: bool) -> httpx.Response:
        """Run `attempt`; where `may_repeat`, repeat it after failures that may pass, as the retry policy says."""
        try:
            return await (self.retry.retrying()(attempt) if may_repeat else attempt())
        except _PassingError as passing:
            raise passing.error from passing

    async def _attempt(self, request: httpx.Request, stream: bool = False) -> httpx.Response:
        try:
            reply = await self._http.send(request, stream=stream)
            if stream and not reply.is_success:
                await reply.aread()
        except httpx.TimeoutException as error:
            raise _PassingError(
                DeadlineError(
                    f"{self._where} did not answer {request.method} {request.url.path} in time.",
                    hint="The service may be overloaded or stuck: its log and `a3t status` tell more.",
                )
            ) from error
        except httpx.TransportError as error:
            hint = "Is it running? `a3t status` shows every service."
            raise _PassingError(UnavailableError(f"{self._where} cannot be reached: {error!r}", hint=hint)) from error
        if reply.is_success:
            return reply
        typed = error_from_response(reply.status_code, reply.content, self._where)
        if isinstance(typed, OverloadedError):
            typed.retry_after = _asked(reply, typed.retry_after)
        raise _PassingError(typed) if reply.status_code in _PASSING else typed

    @property
    def _where(self) -> str:
        return f"{self.service} service at {self.base_url}"


def _asked(reply: httpx.Response, otherwise: float) -> float:
    """Return the seconds of the header `Retry-After`; `otherwise` where the reply does not have it as a number."""
    try:
        return max(0.0, float(reply.headers["Retry-After"]))
    except (KeyError, ValueError):
        return otherwise


def _without_none(params: Mapping[str, Any] | None) -> dict[str, Any] | None:
    return None if params is None else {k: v for k, v in params.items() if v is not None}
