"""The ActRe service's app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from a3t_contracts.service import create_service

from .annotators.base import Annotator
from .annotators.template import TemplateAnnotator
from .api import reasons
from .desk import Desk
from .settings import ActReSettings

__all__ = ["create_app", "create_desk"]


def create_app(settings: ActReSettings) -> FastAPI:
    """The app; its annotators live as long as it runs."""
    desk = create_desk(settings)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        await desk.aclose()

    app = create_service(
        "actre",
        settings,
        [reasons.router],
        lifespan=lifespan,
        ready=desk.check,
        description="Act first, the reason after the fact.",
    )
    app.state.desk = desk
    return app


def create_desk(settings: ActReSettings) -> Desk:
    """The annotators that the settings allow."""
    annotators: dict[str, Annotator] = {"template": TemplateAnnotator()}
    return Desk(annotators, settings.actre_annotator, settings.actre_concurrency, settings.actre_queue)
