"""Adds the dashboard to the app. Its pages are `pages.ROUTERS`."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from ..settings import OrchestratorSettings
from .access import DashboardAccess
from .playing import Games
from .sessions import Sessions

__all__ = ["add_dashboard"]

_STATIC = Path(__file__).parent / "static"


def add_dashboard(app: FastAPI, settings: OrchestratorSettings) -> None:
    """Add the static scripts and styles, and the middleware that lets browsers in."""
    app.state.sessions = sessions = Sessions(settings)
    app.state.games = Games(settings)
    app.mount("/static", _Static(directory=_STATIC), name="static")
    app.add_middleware(DashboardAccess, sessions=sessions, mode=settings.mode)


class _Static(StaticFiles):
    """Static files that browsers must revalidate each time, so that an upgrade takes effect at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Cache-Control"] = "no-cache"
        return response
