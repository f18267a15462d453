"""The FastAPI app of the policy service."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from a3t_contracts.errors import A3TError, Problem
from a3t_contracts.service import BodyLimits, create_service, watch_gpus

from .api import act, adapters, chat, completions, episodes, models, tgi
from .backends import make_backend
from .episodes.store import EpisodeStore
from .settings import PolicySettings

__all__ = ["create_app"]

_OPENAI_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_TGI_PATHS = frozenset({"/", "/generate", "/generate_stream"})
_TGI_TYPES = {422: "validation", 413: "validation", 429: "overloaded"}


def create_app(settings: PolicySettings) -> FastAPI:
    """Build the app. The base model is loaded when the app starts. Raises NotFoundError for an unknown base model."""
    backend = make_backend(settings)
    recorded = EpisodeStore(settings.episodes_folder, settings.episode_limits)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        await recorded.load()
        try:
            await backend.start()
            yield
        finally:
            await backend.close()

    routers = [act.router, episodes.router, completions.router, chat.router, models.router, adapters.router, tgi.router]
    app = create_service(
        "policy",
        settings,
        routers,
        lifespan=lifespan,
        ready=backend.ready,
        error_body=error_body,
        bodies=BodyLimits(settings.policy_max_body_bytes),
        description="The policy LLM: completions compatible with OpenAI and TGI, and LoRA adapters that can be loaded "
        "while requests run.",
    )
    app.state.backend = backend
    app.state.episodes = recorded
    app.state.settings = settings
    watch_gpus()
    return app


def error_body(error: A3TError, problem: Problem) -> dict[str, Any]:
    """A problem document with the keys `error` and `error_type`, which clients of OpenAI and TGI understand."""
    content = problem.model_dump(exclude_none=True)
    kind = _OPENAI_TYPES.get(problem.status, "invalid_request_error" if problem.status < 500 else "server_error")
    if problem.instance in _TGI_PATHS:
        content["error"] = str(error)
        content["error_type"] = _TGI_TYPES.get(problem.status, "generation")
        return content
    content["error"] = {"message": str(error), "type": kind, "code": problem.type.rsplit(":", 1)[-1], "param": None}
    return content
