"""Accepts forms from the dashboard's own pages only (protection against CSRF): each form repeats the token of its
session.

Every router of pages is made by `page_router`, which adds this check.
"""

from __future__ import annotations

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse

from a3t_contracts.errors import ForbiddenError

from .access import SAFE_METHODS, session_of
from .sessions import CSRF_FIELD, CSRF_HEADER, Sessions

__all__ = ["page_router", "require_form_token"]


def page_router(prefix: str = "") -> APIRouter:
    """Make a router for pages. The form token of each of its POST requests is checked."""
    return APIRouter(
        prefix=prefix,
        dependencies=[Depends(require_form_token)],
        default_response_class=HTMLResponse,
        include_in_schema=False,
    )


async def require_form_token(request: Request) -> None:
    """Raise ForbiddenError for a form or script that does not send the session's token."""
    session = session_of(request)
    if request.method in SAFE_METHODS or session is None:  # a request without a session came with the bearer token
        return
    sessions: Sessions = request.app.state.sessions
    given = request.headers.get(CSRF_HEADER) or (await request.form()).get(CSRF_FIELD)
    if not isinstance(given, str) or not sessions.vouches(session, given):
        raise ForbiddenError(
            "This form has expired, or was not sent from the dashboard.", hint="Load the page again, then send it."
        )
