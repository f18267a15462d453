"""Putting the dashboard into the app."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ..settings import OrchestratorSettings
from .access import DashboardAccess
from .guard import require_form_token
from .pages import ROUTERS
from .sessions import Sessions

__all__ = ["add_dashboard"]

_STATIC = Path(__file__).parent / "static"


def add_dashboard(app: FastAPI, settings: OrchestratorSettings) -> None:
    """Add pages, scripts and styles, and let browsers in. Every form of every page is checked."""
    token = settings.token.get_secret_value()
    sessions = Sessions(token)
    app.state.sessions = sessions
    pages = APIRouter(
        dependencies=[Depends(require_form_token)], default_response_class=HTMLResponse, include_in_schema=False
    )
    for router in ROUTERS:
        pages.include_router(router)
    app.include_router(pages)
    app.mount("/static", _Static(directory=_STATIC), name="static")
    app.add_middleware(DashboardAccess, sessions=sessions, token=token, mode=settings.mode)


class _Static(StaticFiles):
    """Browsers ask each time whether a file is still the same, so that an upgrade shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
