"""Decides who may open which page, and sets the headers that keep foreign scripts out of it.

The API needs its bearer token as always. A browser's session gives access to the pages. It also gives access to the
API, but only for reading, or together with the session's form token in the header `X-CSRF-Token`, which no other site
can know.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from a3t_contracts.errors import ForbiddenError
from a3t_contracts.service.problems import problem_response

from .errors import ErrorPages
from .sessions import CSRF_HEADER, BrowserSession, Sessions, is_https

__all__ = ["CSP", "SAFE_METHODS", "SESSION_SCOPE", "DashboardAccess", "session_of"]

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION_SCOPE = "a3t.browser_session"
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_SERVICE_PATHS = frozenset({"/health", "/ready", "/metrics", "/docs", "/openapi.json"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class DashboardAccess:
    """Middleware that lets browsers in; the outermost layer of the app.

    Args:
        app: the app inside this layer.
        sessions: makes and reads the cookies. A browser acts with the bearer token that opened its session.
        mode: in `development` a browser on this machine needs no login. The address must name this machine itself (such
            as localhost), so that a foreign host name that resolves to this machine gives no access.
    """

    def __init__(self, app: ASGIApp, sessions: Sessions, mode: str) -> None:
        self.app = app
        self.sessions = sessions
        self.open = mode == "development"
        self.error_pages = ErrorPages(sessions)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the request in, redirect it to the login page, or leave the decision to the service."""
        if scope["type"] != "http" or scope["path"] in _SERVICE_PATHS:
            await self.app(scope, receive, send)
            return
        request = Request(scope)
        is_api = scope["path"].startswith("/v1/")
        send = _with_headers(send, _HEADERS if is_api else _HEADERS | {"Content-Security-Policy": CSP})
        if request.headers.get("authorization", "")[:7].lower() == "bearer ":
            await self.app(scope, receive, send)
            return
        session = self.sessions.read(request.cookies)
        if session is None or not session.signed_in:
            is_let_in = self.open and request.url.hostname in _LOOPBACK
            session = self.sessions.new(self.sessions.token) if is_let_in else session
        if is_api:
            await self._api(request, session, receive, send)
        else:
            await self._page(request, session, receive, send)

    async def _api(self, request: Request, session: BrowserSession | None, receive: Receive, send: Send) -> None:
        scope = request.scope
        if session is None or not session.signed_in:
            await self.app(scope, receive, send)
        elif request.method in SAFE_METHODS or self.sessions.vouches(session, request.headers.get(CSRF_HEADER, "")):
            await self.app(self._let_in(scope, session), receive, send)
        else:
            hint = "Scripts of the dashboard send the header X-CSRF-Token; other clients send the bearer token."
            refusal = ForbiddenError("A browser's session alone does not authorise changes.", hint=hint)
            await problem_response(refusal, scope["path"])(scope, receive, send)

    async def _page(self, request: Request, session: BrowserSession | None, receive: Receive, send: Send) -> None:
        scope = request.scope
        is_for_all = scope["path"] == "/login" or scope["path"].startswith("/static/")
        if not is_for_all and (session is None or not session.signed_in):
            await _to_login(request)(scope, receive, send)
            return
        session = session or self.sessions.new()
        if not scope["path"].startswith("/static/"):
            send = self._with_cookie(request, session, send)
        send = self.error_pages.instead_of_problems(request, session, send)
        await self.app(self._let_in(scope, session), receive, send)

    def _let_in(self, scope: Scope, session: BrowserSession) -> Scope:
        """Return the request with a bearer token: that of the session, or on the public pages that of the service."""
        headers = [(k, v) for k, v in scope["headers"] if k != b"authorization"]
        bearer = f"Bearer {session.token or self.sessions.token}".encode()
        return {**scope, "headers": [*headers, (b"authorization", bearer)], SESSION_SCOPE: session}

    def _with_cookie(self, request: Request, session: BrowserSession, send: Send) -> Send:
        """Set the cookie of a session that was made for this request, unless the page sets one itself."""
        if self.sessions.read(request.cookies) == session:
            return send
        carrier = RedirectResponse("/")
        self.sessions.write(carrier, session, secure=is_https(request.url.scheme, request.headers))
        cookie = carrier.headers["set-cookie"]

        def add(headers: MutableHeaders) -> None:
            if not any(value.startswith(cookie.partition("=")[0]) for value in headers.getlist("set-cookie")):
                headers.append("set-cookie", cookie)

        return _on_start(send, add)


def session_of(request: Request) -> BrowserSession | None:
    """Return the browser session of a request; None for a client with the bearer token."""
    session: BrowserSession | None = request.scope.get(SESSION_SCOPE)
    return session


def _to_login(request: Request) -> RedirectResponse:
    is_page = request.method in SAFE_METHODS and request.url.path != "/"
    query = f"?{request.url.query}" if request.url.query else ""
    wanted = "?" + urlencode({"next": request.url.path + query}) if is_page else ""
    return RedirectResponse("/login" + wanted, 303)


def _with_headers(send: Send, extra: dict[str, str]) -> Send:
    def add(headers: MutableHeaders) -> None:
        for name, value in extra.items():
            headers.setdefault(name, value)
        if "content-security-policy" in headers and "cache-control" not in headers:
            headers["Cache-Control"] = "private, no-cache"

    return _on_start(send, add)


def _on_start(send: Send, change: Callable[[MutableHeaders], None]) -> Send:
    async def changed(message: Message) -> None:
        if message["type"] == "http.response.start":
            change(MutableHeaders(scope=message))
        await send(message)

    return changed
