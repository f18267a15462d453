"""Browser sessions: a signed cookie that says with which token a browser is signed in, and the form token that every
form repeats.

Nothing is stored on the server: every replica with the same tokens reads the same cookies. Where a token is removed
from the settings, the sessions that were opened with it end.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass, field

from itsdangerous import BadSignature, TimestampSigner
from starlette.datastructures import Headers
from starlette.responses import Response

from a3t_contracts.access import Role, token_list
from a3t_contracts.settings import CommonSettings

__all__ = ["COOKIE", "CSRF_FIELD", "CSRF_HEADER", "SESSION_SECONDS", "BrowserSession", "Notice", "Sessions", "is_https"]

COOKIE = "a3t_session"
CSRF_FIELD = "csrf"
CSRF_HEADER = "x-csrf-token"
SESSION_SECONDS = 7 * 86400
_NOTICE_COOKIE = "a3t_notice"
_NOTICE_SECONDS = 60


@dataclass(frozen=True, slots=True)
class BrowserSession:
    """The session of a browser. A visitor who has not signed in also has one, for the form of the login page."""

    id: str
    token: str = field(default="", repr=False)
    """The token that signed the browser in; empty for a visitor."""
    role: Role | None = None
    """Role of the token; None for a visitor."""

    @property
    def signed_in(self) -> bool:
        """Whether the session was opened with a token."""
        return self.role is not None

    def may(self, role: str) -> bool:
        """Return whether the session's token includes this role: `read`, `run` or `admin`."""
        return self.role is not None and self.role >= Role[role]


@dataclass(frozen=True, slots=True)
class Notice:
    """A message about the last form, which the next page shows. `level` is `ok` or `bad`."""

    text: str
    level: str


class Sessions:
    """Makes and reads the cookies of sessions and notices.

    Args:
        settings: have the tokens that open a session. The signing keys are derived from the tokens.
    """

    def __init__(self, settings: CommonSettings) -> None:
        second, token = settings.token_second.get_secret_value(), settings.token.get_secret_value()
        self._roles = dict.fromkeys(token_list(settings.read_tokens), Role.read)
        self._roles |= dict.fromkeys(token_list(settings.run_tokens), Role.run)
        self._roles |= {name: Role.admin for name in (second, token) if name}
        self.token = token
        keys = [name for name in (second, token) if name]
        self._cookies = _signer(keys, "session")
        self._notices = _signer(keys, "notice")
        self._forms = _signer(keys, "form")

    def new(self, token: str = "") -> BrowserSession:
        """Make a session with a new id: a visitor's, or, with a known token, one that is signed in."""
        return self._session(secrets.token_urlsafe(18), token)

    def read(self, cookies: dict[str, str]) -> BrowserSession | None:
        """Return the session of a request; None where its cookie is missing, forged or older than a week."""
        try:
            text = self._cookies.unsign(cookies.get(COOKIE, ""), SESSION_SECONDS).decode()
        except BadSignature:
            return None
        name, _, mark = text.partition("/")
        token = next((token for token in self._roles if hmac.compare_digest(_mark(token).encode(), mark.encode())), "")
        return self._session(name, token)

    def write(self, response: Response, session: BrowserSession, *, secure: bool) -> None:
        """Set the session's cookie."""
        mark = _mark(session.token) if session.token else ""
        value = self._cookies.sign(f"{session.id}/{mark}").decode()
        response.set_cookie(COOKIE, value, max_age=SESSION_SECONDS, httponly=True, samesite="lax", secure=secure)

    def _session(self, name: str, token: str) -> BrowserSession:
        role = next(
            (role for known, role in self._roles.items() if hmac.compare_digest(known.encode(), token.encode())), None
        )
        return BrowserSession(name, token if role else "", role)

    def end(self, response: Response) -> None:
        """Delete the session's cookie."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def form_token(self, session: BrowserSession) -> str:
        """Return the token that the forms of a session send in the field `csrf`, and its scripts in the header
        `X-CSRF-Token`."""
        return self._forms.get_signature(session.id).decode()

    def vouches(self, session: BrowserSession, given: str) -> bool:
        """Return whether `given` is the form token of this session."""
        return bool(self._forms.verify_signature(session.id.encode(), given.encode()))

    def leave_notice(self, response: Response, notice: Notice) -> None:
        """Set a cookie with the notice, so that the next page shows it."""
        value = self._notices.sign(json.dumps([notice.text[:600], notice.level])).decode()
        response.set_cookie(_NOTICE_COOKIE, _quoted(value), max_age=_NOTICE_SECONDS, httponly=True, samesite="lax")

    def take_notice(self, cookies: dict[str, str], response: Response | None = None) -> Notice | None:
        """Return the notice that the last form left; None if there is none. With a response, its cookie is deleted."""
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


def _signer(keys: list[str], salt: str) -> TimestampSigner:
    return TimestampSigner(keys, salt=f"a3t.{salt}", key_derivation="hmac", digest_method=hashlib.sha256)


def _mark(token: str) -> str:
    """Return a short hash that stands for a token in a cookie and does not reveal it."""
    return hmac.new(token.encode(), b"a3t session", hashlib.sha256).hexdigest()[:24]


def is_https(scheme: str, headers: Headers) -> bool:
    """Return whether the browser uses HTTPS, to this service or to the proxy in front of it."""
    return headers.get("x-forwarded-proto", scheme).split(",")[0].strip() == "https"


def _quoted(value: str) -> str:
    return value.encode().hex()


def _unquoted(value: str) -> str:
    return bytes.fromhex(value).decode(errors="replace")
