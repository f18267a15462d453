"""Access to the dashboard: a bearer token, or HTTP basic authentication for browsers, which send no bearer token."""

from __future__ import annotations

import base64
import binascii
import hmac

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["DashboardAccess"]

_PAGES = ("/runs/", "/trajectories/")


class DashboardAccess:
    """Lets a browser in to the pages: with the token as the password of HTTP basic authentication (any user name),
    or freely in development mode, where services listen on the loopback interface. The API keeps its bearer token.
    """

    def __init__(self, app: ASGIApp, token: str, mode: str) -> None:
        self.app = app
        self.token = token
        self.open = mode == "development"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_page(scope["path"]):
            await self.app(scope, receive, send)
            return
        given = dict(scope["headers"]).get(b"authorization", b"")
        if given.lower().startswith(b"bearer "):
            await self.app(scope, receive, send)
        elif self.open or hmac.compare_digest(_password(given), self.token.encode()):
            headers = [(k, v) for k, v in scope["headers"] if k != b"authorization"]
            headers.append((b"authorization", f"Bearer {self.token}".encode()))
            await self.app({**scope, "headers": headers}, receive, send)
        else:
            challenge = {"WWW-Authenticate": 'Basic realm="A3T: the token is the password", charset="UTF-8"'}
            await PlainTextResponse("The token is the password.", 401, challenge)(scope, receive, send)


def _is_page(path: str) -> bool:
    return path == "/" or path.startswith(_PAGES)


def _password(header: bytes) -> bytes:
    kind, _, encoded = header.partition(b" ")
    if kind.lower() != b"basic":
        return b""
    try:
        return base64.b64decode(encoded, validate=True).partition(b":")[2]
    except binascii.Error:
        return b""
