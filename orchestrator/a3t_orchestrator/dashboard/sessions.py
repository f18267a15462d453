"""Sessions of browsers: a signed cookie that says who is signed in, and the token that every form repeats.

Nothing is stored: every replica with the same A3T_TOKEN reads the same cookies, and a new token ends all sessions.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass

from itsdangerous import BadSignature, Signer, TimestampSigner
from starlette.datastructures import Headers
from starlette.responses import Response

__all__ = ["COOKIE", "CSRF_FIELD", "CSRF_HEADER", "SESSION_SECONDS", "BrowserSession", "Notice", "Sessions", "is_https"]

COOKIE = "a3t_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SESSION_SECONDS = 7 * 86400
_NOTICE_COOKIE = "a3t_notice"
_NOTICE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """A browser; a visitor who has not signed in has a session, too, for the form of the login page."""

    id: str
    signed_in: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """What the last form did, told on the next page; `level` is `ok` or `bad`."""

    text: str
    level: str


class Sessions:
    """Makes and reads the cookies.

    Args:
        token: the service's bearer token, from which the keys are derived.
    """

    def __init__(self, token: str) -> None:
        self._token = token
        self._cookies = TimestampSigner(token, salt="a3t.session", key_derivation="hmac", digest_method=hashlib.sha256)
        self._notices = TimestampSigner(token, salt="a3t.notice", key_derivation="hmac", digest_method=hashlib.sha256)
        self._forms = Signer(token, salt="a3t.form", key_derivation="hmac", digest_method=hashlib.sha256)

    def opens(self, password: str) -> bool:
        """Whether this is the token."""
        return hmac.compare_digest(password.strip().encode(), self._token.encode())

    def new(self, *, signed_in: bool) -> BrowserSession:
        """A session with an id of its own."""
        return BrowserSession(secrets.token_urlsafe(18), signed_in)

    def read(self, cookies: dict[str, str]) -> BrowserSession | None:
        """The session of a request; None where its cookie is missing, forged or older than a week."""
        try:
            text = self._cookies.unsign(cookies.get(COOKIE, ""), SESSION_SECONDS).decode()
        except BadSignature:
            return None
        name, _, state = text.partition("/")
        return BrowserSession(name, state == "in")

    def write(self, response: Response, session: BrowserSession, *, secure: bool) -> None:
        """Set the session's cookie."""
        value = self._cookies.sign(f"{session.id}/{'in' if session.signed_in else 'out'}").decode()
        response.set_cookie(COOKIE, value, max_age=SESSION_SECONDS, httponly=True, samesite="lax", secure=secure)

    def end(self, response: Response) -> None:
        """Take the session's cookie away."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def form_token(self, session: BrowserSession) -> str:
        """What the forms of a session send in the field `csrf`, and its scripts in the header `X-CSRF-Token`."""
        return self._forms.get_signature(session.id).decode()

    def vouches(self, session: BrowserSession, given: str) -> bool:
        """Whether a form or script of this session sent it."""
        return hmac.compare_digest(given.encode(), self.form_token(session).encode())

    def leave_notice(self, response: Response, notice: Notice) -> None:
        """Have the next page tell it."""
        value = self._notices.sign(json.dumps([notice.text[:600], notice.level])).decode()
        response.set_cookie(_NOTICE_COOKIE, _quoted(value), max_age=_NOTICE_SECONDS, httponly=True, samesite="lax")

    def take_notice(self, cookies: dict[str, str], response: Response | None = None) -> Notice | None:
        """What the last form did; with a response, its cookie is taken away."""
        given = cookies.get(_NOTICE_COOKIE)
        if given is None:
            return None
        if response is not None:
            response.delete_cookie(_NOTICE_COOKIE, httponly=True, samesite="lax")
        try:
            text, level = json.loads(self._notices.unsign(_unquoted(given), _NOTICE_SECONDS))
        except (BadSignature, ValueError):
            return None
        return Notice(str(text), "bad" if level == "bad" else "ok")


def is_https(scheme: str, headers: Headers) -> bool:
    """Whether the browser speaks HTTPS, to us or to the proxy in front of us."""
    return headers.get("x-forwarded-proto", scheme).split(",")[0].strip() == "https"


def _quoted(value: str) -> str:
    return value.encode().hex()


def _unquoted(value: str) -> str:
    return bytes.fromhex(value).decode(errors="replace")
