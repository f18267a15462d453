"""Sessions of browsers: a signed cookie that says who is signed in, and the token that every form repeats.

Nothing is stored: every replica with the same tokens reads the same cookies, and where a token is taken away, the
sessions that were opened with it end.
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
    """A browser; a visitor who has not signed in has a session, too, for the form of the login page."""

    id: str
    token: str = field(default="", repr=False)
    """The token with which it signed in; empty for a visitor."""
    role: Role | None = None
    """The token's role; None for a visitor."""

    @property
    def signed_in(self) -> bool:
        """Whether a token opened it."""
        return self.role is not None

    def may(self, role: str) -> bool:
        """Whether it may do what needs this role: `read`, `run` or `admin`."""
        return self.role is not None and self.role >= Role[role]


@dataclass(frozen=True, slots=True)
class Notice:
    """What the last form did, told on the next page; `level` is `ok` or `bad`."""

    text: str
    level: str


class Sessions:
    """Makes and reads the cookies.

    Args:
        settings: the tokens that open a session, and from which the keys are derived.
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
        """A session with an id of its own: a visitor's, or, with a token that is known, one that is signed in."""
        return self._session(secrets.token_urlsafe(18), token)

    def read(self, cookies: dict[str, str]) -> BrowserSession | None:
        """The session of a request; None where its cookie is missing, forged or older than a week."""
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
        """Take the session's cookie away."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax")

    def form_token(self, session: BrowserSession) -> str:
        """What the forms of a session send in the field `csrf`, and its scripts in the header `X-CSRF-Token`."""
        return self._forms.get_signature(session.id).decode()

    def vouches(self, session: BrowserSession, given: str) -> bool:
        """Whether a form or script of this session sent it."""
        return bool(self._forms.verify_signature(session.id.encode(), given.encode()))

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


def _signer(keys: list[str], salt: str) -> TimestampSigner:
    return TimestampSigner(keys, salt=f"a3t.{salt}", key_derivation="hmac", digest_method=hashlib.sha256)


def _mark(token: str) -> str:
    """Stands for a token in a cookie, without telling it."""
    return hmac.new(token.encode(), b"a3t session", hashlib.sha256).hexdigest()[:24]


def is_https(scheme: str, headers: Headers) -> bool:
    """Whether the browser speaks HTTPS, to us or to the proxy in front of us."""
    return headers.get("x-forwarded-proto", scheme).split(",")[0].strip() == "https"


def _quoted(value: str) -> str:
    return value.encode().hex()


def _unquoted(value: str) -> str:
    return bytes.fromhex(value).decode(errors="replace")
