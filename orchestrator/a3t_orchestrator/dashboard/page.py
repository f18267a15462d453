"""Rendering a page: `PageDep` gives a route the `Page` of its request.

    @router.get("/things")
    def things(page: PageDep) -> HTMLResponse:
        return page.render("things.html", things=...)

The template extends `base.html`, sets `section` (the entry of the navigation that is lit) and fills the blocks `title`,
`heading` and `body`. What a template shows is escaped.
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
"""(section, label, address) of the pages that every page links to."""

templates = Environment(
    loader=ChoiceLoader([PackageLoader("a3t_orchestrator.dashboard"), PackageLoader("a3t_orchestrator.report")]),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
templates.filters.update(words.FILTERS)


def render(template: str, **values: Any) -> str:
    """A template with the values that every page has."""
    return templates.get_template(template).render(navigation=NAVIGATION, **values)


class Page:
    """The page that a request asks for."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.sessions: Sessions = request.app.state.sessions

    @property
    def session(self) -> BrowserSession | None:
        """The browser's session; None for a client with the bearer token."""
        session: BrowserSession | None = self.request.scope.get("a3t.browser_session")
        return session

    def may(self, role: str) -> bool:
        """Whether the browser may do what needs this role: `read`, `run` or `admin`. The API checks it in any case."""
        return self.session is None or self.session.may(role)

    @property
    def csrf(self) -> str:
        """The token that forms of this session repeat; empty for a client with the bearer token."""
        return self.sessions.form_token(self.session) if self.session else ""

    def render(self, template: str, status: int = 200, **values: Any) -> HTMLResponse:
        """A whole page, with the notice that the last form left."""
        response = HTMLResponse(status_code=status)
        notice = self.sessions.take_notice(self.request.cookies, response)
        html = self._html(template, values | {"notice": notice})
        response.body = html.encode()
        response.headers["content-length"] = str(len(response.body))
        return response

    def part(self, template: str, last: bool = False, **values: Any) -> HTMLResponse:
        """A piece of a page, which a script puts in the place of the old one; see `data-live` in live.js. With `last`
        the script does not ask again."""
        headers = {"X-Last": "yes"} if last else None
        return HTMLResponse(self._html(template, values | {"notice": None}), headers=headers)

    def redirect(self, path: str, notice: str = "", level: str = "ok") -> RedirectResponse:
        """What a form answers: go to this page and read there what happened (`level`: `ok` or `bad`)."""
        response = RedirectResponse(path, 303)
        if notice:
            self.sessions.leave_notice(response, Notice(notice, level))
        return response

    @staticmethod
    def address(path: str, **query: Any) -> str:
        """A path with a query; None leaves a member out."""
        given = {name: value for name, value in query.items() if value is not None}
        return f"{path}?{urlencode(given, doseq=True)}" if given else path

    def _html(self, template: str, values: dict[str, Any]) -> str:
        own = {"path": self.request.url.path, "session": self.session, "csrf": self.csrf, "may": self.may}
        return render(template, **own, **values)


PageDep = Annotated[Page, Depends(Page)]
