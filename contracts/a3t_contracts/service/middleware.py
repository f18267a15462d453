"""Middleware of every app: token, body limit, request id and metrics, before a route is called."""

from __future__ import annotations

import base64
import binascii
import os
import re
import time
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..access import Role
from ..errors import A3TError, ForbiddenError, UnauthorizedError
from ..logging import get_logger
from ..settings import ServiceSettings
from ..tracing import bind_ids, received_ids
from .body import BodyLimits, drain
from .metrics import count_request
from .problems import ErrorBody, problem_response
from .roles import RouteRoles

__all__ = ["ROLE", "Shell"]

ROLE = "a3t.role"
"""Key under which the scope of a request has the role of its token."""

_OPEN_PATHS = frozenset({"/health", "/ready", "/metrics", "/docs", "/openapi.json"})
_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
"""Form of a request id that a client may choose. The id is logged and returned, so control characters are excluded."""

_POLICY_VIOLATION = 1008
"""WebSocket close code for a violated policy (RFC 6455)."""

log = get_logger(__name__)


class Shell:
    """Checks token, role and body size, sets the request id, counts requests, and hides unexpected errors behind a 500.
    It is plain ASGI, because every request passes through it."""

    def __init__(
        self,
        app: ASGIApp,
        service: str,
        settings: ServiceSettings,
        body: ErrorBody,
        bodies: BodyLimits,
        roles: RouteRoles,
        token_in_url: bool = False,
    ) -> None:
        self.app = app
        self.service = service
        self.body = body
        self.bodies = bodies
        self.token_in_url = token_in_url
        self.tokens = settings.tokens
        self.roles = roles

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check the token and the size of the body, then pass the request to the app; ASGI's calling convention."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        request_id = _request_id(headers.get(b"x-request-id", b""))
        bind_ids(request_id=request_id, **received_ids(headers))
        began, status = time.perf_counter(), 0
        tag = (b"x-request-id", request_id.encode("ascii"))

        async def tagged(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), tag]
            await send(message)

        try:
            await self._guarded(scope, headers, receive, tagged, lambda: status > 0)
        finally:
            count_request(self.service, scope, status or 500, time.perf_counter() - began)

    async def _socket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Open a WebSocket if its token allows it; the client of a refused one receives 403."""
        if self._refusal(scope, dict(scope["headers"])) is None:
            await self.app(scope, receive, send)
        else:
            await receive()
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})

    async def _guarded(
        self,
        scope: Scope,
        headers: dict[bytes, bytes],
        receive: Receive,
        send: Send,
        started: Callable[[], bool],
    ) -> None:
        refusal = self._refusal(scope, headers)
        if refusal is None and (refusal := self.bodies.refusal(scope, headers)) is not None:
            await drain(headers, receive)
        if refusal is not None:
            await problem_response(refusal, scope["path"], self.body)(scope, receive, send)
            return
        try:
            await self.app(scope, self.bodies.guard(scope, headers, receive), send)
        except A3TError as error:
            await problem_response(error, scope["path"], self.body)(scope, receive, send)
        except ClientDisconnect:
            log.info("request.client_left", path=scope["path"])
        except Exception:
            log.exception("request.failed", path=scope["path"])
            if started():
                raise
            hidden = A3TError("An unexpected error. Find it in the service's log by this reply's X-Request-Id.")
            await problem_response(hidden, scope["path"], self.body)(scope, receive, send)

    def _refusal(self, scope: Scope, headers: dict[bytes, bytes]) -> A3TError | None:
        if scope["path"] in _OPEN_PATHS:
            return None
        given = headers.get(b"authorization", b"")
        if self.token_in_url and given[:6] == b"Basic ":
            given = _as_bearer(given)
        role = self.tokens.role_of(given[7:]) if given[:7] == b"Bearer " else None
        if role is None:
            return UnauthorizedError(
                "The bearer token is missing or wrong.", hint="Send `Authorization: Bearer $A3T_TOKEN`."
            )
        if role is not Role.admin and role < (needed := self.roles.needed(scope)):
            return ForbiddenError(
                f"This request needs a token with the role {needed.name!r}; the token that was sent has the role "
                f"{role.name!r}.",
                hint="A3T_TOKEN has the role 'admin'; the tokens in A3T_RUN_TOKENS have the role 'run'.",
            )
        scope[ROLE] = role
        return None


def _as_bearer(basic: bytes) -> bytes:
    """Turn HTTP basic authentication, whose password is the token, into its bearer form. This is for clients that can
    only be given a URL, `http://a3t:TOKEN@host`. The user name is ignored."""
    try:
        return b"Bearer " + base64.b64decode(basic[6:], validate=True).partition(b":")[2]
    except binascii.Error:
        return b""


def _request_id(given: bytes) -> str:
    """Return the client's request id if it has the allowed form, else a new one."""
    return given.decode("ascii") if given and _REQUEST_ID.fullmatch(given) else os.urandom(8).hex()
