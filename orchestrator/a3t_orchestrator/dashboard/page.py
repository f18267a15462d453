"""Renders pages. `PageDep` gives a route the `Page` of its request.

    @router.get("/things")
    def things(page: PageDep) -> HTMLResponse:
        return page.render("things.html", things=...)

The template extends `base.html`, sets `section` (the highlighted entry of the navigation) and fills the blocks `title`,
`heading` and `body`. All values in a template are escaped.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from . import words
from .sessions import BrowserSession, Notice, Sessions

__all__ = ["NAVIGATION", "Page", "PageDep", "render", "templates"]

NAVIGATION = [
    ("runs", "Runs", "/"),
    ("trajectories", "Trajectories", "/trajectories"),
    ("play", "Play", "/play"),
    ("adapters", "Adapters", "/adapters"),
    ("failures", "Failures", "/failures"),
    ("services", "Services", "/services"),
]
"""Section, label and path of the pages in the navigation."""

templates = Environment(
    loader=ChoiceLoader([PackageLoader("a3t_orchestrator.dashboard"), PackageLoader("a3t_orchestrator.report")]),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
templates.filters.update(words.FILTERS)


def render(template: str, **values: Any) -> str:
    """Render a template with the given values and those that every page has."""
    return templates.get_template(template).render(navigation=NAVIGATION, **values)


class Page:
    """Renders the reply to a request for a page."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.sessions: Sessions = request.app.state.sessions

    @property
    def session(self) -> BrowserSession | None:
        """Return the browser's session; None for a client with the bearer token."""
        session: BrowserSession | None = self.request.scope.get("a3t.browser_session")
        return session

    def may(self, role: str) -> bool:
        """Return whether the browser's token has this role: `read`, `run` or `admin`. This only hides buttons; the API
        checks roles itself."""
        return self.session is None or self.session.may(role)

    @property
    def csrf(self) -> str:
        """Return the token that forms of this session must repeat; empty for a client with the bearer token."""
        return self.sessions.form_token(self.session) if self.session else ""

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """Render a whole page, with the notice that the last form left."""
        response = HTMLResponse(status_code=status)
        notice = self.sessions.take_notice(self.request.cookies, response)
        html = self._html(template, values | {"notice": notice})
        response.body = html.encode()
        response.headers["content-length"] = str(len(response.body))
        return response

    def part(self, template: str, last: bool = False, **values: Any) -> HTMLResponse:
        """Render a part of a page, with which a script replaces the old one; see `data-live` in live.js. With `last`
        the script stops asking for new ones."""
        headers = {"X-Last": "yes"} if last else None
        return HTMLResponse(self._html(template, values | {"notice": None}), headers=headers)

    def redirect(self, path: str, notice: str = "", level: str = "ok") -> RedirectResponse:
        """Answer a form: redirect to `path`, where `notice` says what happened (`level`: `ok` or `bad`)."""
        response = RedirectResponse(path, 303)
        if notice:
            self.sessions.leave_notice(response, Notice(notice, level))
        return response

    @staticmethod
    def address(path: str, **query: Any) -> str:
        """Return a path with a query string. Values that are None are left out."""
        given = {name: value for name, value in query.items() if value is not None}
        return f"{path}?{urlencode(given, doseq=True)}" if given else path

    def _html(self, template: str, values: dict[str, Any]) -> str:
        own = {"path": self.request.url.path, "session": self.session, "csrf": self.csrf, "may": self.may}
        return render(template, **own, **values)


PageDep = Annotated[Page, Depends(Page)]
