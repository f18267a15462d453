"""The ActRe service's app."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.service import BodyLimits, create_service

from .annotators.base import Annotator
from .annotators.llm import LLMAnnotator, LLMOptions
from .annotators.plugins import plugged_annotators
from .annotators.template import TemplateAnnotator
from .api import reasons
from .backends.base import Backend
from .backends.openai import OpenAIBackend
from .backends.tgi import TGIBackend
from .cache import ReasonCache
from .desk import Desk
from .plugins import installed_reasons
from .settings import ActReSettings

__all__ = ["create_app", "create_backend", "create_desk"]


def create_app(settings: ActReSettings) -> FastAPI:
    """Build the app. Its annotators are closed when it stops."""
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
        bodies=BodyLimits(settings.actre_max_body_bytes),
        description="Writes reasons for actions that were already chosen.",
    )
    app.state.desk = desk
    return app


def create_desk(settings: ActReSettings) -> Desk:
    """Collect the annotators of this service and of other packages. Raises InvalidInputError, which names the
    package, if an annotator or a plug-in for reasons cannot be used.
    """
    installed_reasons()
    template = TemplateAnnotator()
    annotators: dict[str, Annotator] = {template.name: template}
    if settings.actre_upstream_url:
        annotators["llm"] = _llm(settings, settings.actre_upstream_url, template)
    annotators |= plugged_annotators(settings)
    if settings.actre_annotator not in annotators:
        raise InvalidInputError(
            f"A3T_ACTRE_ANNOTATOR={settings.actre_annotator!r} is not offered here, only {', '.join(annotators)}.",
            hint="Install the package that has it, or set another name.",
        )
    return Desk(annotators, settings.actre_annotator, settings.actre_concurrency, settings.actre_queue)


def _llm(settings: ActReSettings, url: str, template: TemplateAnnotator) -> LLMAnnotator:
    options = LLMOptions(
        prompt=settings.actre_prompt,
        temperature=settings.actre_temperature,
        max_tokens=settings.actre_max_tokens,
        max_words=settings.actre_max_words,
        max_prompt_chars=settings.actre_max_prompt_chars,
        timeout=settings.actre_timeout,
        deadline=settings.actre_deadline,
        retries=settings.actre_retries,
    )
    cache = ReasonCache(settings.cache_path, settings.actre_cache_mb) if settings.actre_cache_mb else None
    fallback = template if settings.actre_fallback == "template" else None
    return LLMAnnotator(create_backend(settings, url), options, cache, fallback)


def create_backend(settings: ActReSettings, url: str) -> Backend:
    """The client of the LLM server that the settings name."""
    token = settings.actre_upstream_token.get_secret_value() if settings.actre_upstream_token else None
    model, tokens, timeout = settings.actre_model, settings.actre_max_tokens, settings.actre_timeout
    if settings.actre_backend == "tgi":
        return TGIBackend(url, token=token, model=model, max_tokens=tokens, timeout=timeout)
    api = settings.actre_openai_api
    return OpenAIBackend(url, token=token, model=model, api=api, max_tokens=tokens, timeout=timeout)
