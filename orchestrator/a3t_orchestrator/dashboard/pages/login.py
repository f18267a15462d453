"""Pages to sign in with a token, and to sign out."""

from __future__ import annotations

from typing import Annotated

from fastapi import Form
from starlette.responses import Response

from a3t_contracts.access import Role, needs

from ..guard import page_router
from ..page import PageDep
from ..sessions import is_https

__all__ = ["router"]

router = page_router()


@router.get("/login")
def login_page(page: PageDep, next: str = "/") -> Response:
    """Show the form that asks for the token. A browser that is signed in already is redirected."""
    if page.session is not None and page.session.signed_in:
        return page.redirect(_own_page(next))
    return page.render("login.html", next=_own_page(next), wrong=False)


@router.post("/login", **needs(Role.read))
def log_in(
    page: PageDep, password: Annotated[str, Form(max_length=4096)], next: Annotated[str, Form()] = "/"
) -> Response:
    """Open a session if the token is valid, and redirect to the page that was asked for."""
    session = page.sessions.new(password.strip())
    if not session.signed_in:
        return page.render("login.html", 401, next=_own_page(next), wrong=True)
    response = page.redirect(_own_page(next))
    page.sessions.write(response, session, secure=is_https(page.request.url.scheme, page.request.headers))
    return response


@router.post("/logout", **needs(Role.read))
def log_out(page: PageDep) -> Response:
    """End the session of this browser."""
    response = page.redirect("/login", "You are signed out.")
    page.sessions.end(response)
    return response


def _own_page(path: str) -> str:
    """Return the path if it stays on this host, else the path of the first page."""
    stays = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if stays else "/"
