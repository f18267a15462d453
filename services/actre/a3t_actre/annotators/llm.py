"""The annotator that asks an LLM: prompt, limited attempts, cleaning, cache, fallback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from weakref import WeakValueDictionary

from typing_extensions import override

from a3t_contracts.errors import A3TError, DeadlineError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import Reason, ReasonQuery

from ..backends.base import Backend, Completion
from ..cache import ReasonCache, prompt_key
from ..cleaning import clean_reason
from ..metrics import TOKENS
from ..prompting import build_prompt
from ..traced import call_span, tell_call
from .attempts import Attempts
from .base import Annotator, writing

__all__ = ["LLMAnnotator", "LLMOptions"]

log = get_logger(__name__)
_RETRY_TEMPERATURE = 0.7


@dataclass(frozen=True, slots=True)
class LLMOptions:
    """Options of a request to the LLM. The settings `actre_…` with the same names document them."""

    prompt: str = "v1"
    temperature: float = 0.0
    max_tokens: int = 96
    max_words: int = 80
    max_prompt_chars: int = 24_000
    timeout: float = 30.0
    deadline: float = 90.0
    retries: int = 2


class LLMAnnotator(Annotator):
    """Asks an LLM for reasons with a few-shot prompt.

    A query takes at most `deadline` seconds. Attempts after the first one use another seed and a higher temperature, so
    that the LLM does not repeat an unusable reason.

    Args:
        backend: the LLM server.
        options: limits and sampling.
        cache: cache of reasons; None: the LLM is asked every time.
        fallback: annotator for queries for which the LLM gives no usable reason; None: such queries fail.
    """

    name = "llm"

    def __init__(
        self,
        backend: Backend,
        options: LLMOptions,
        cache: ReasonCache | None = None,
        fallback: Annotator | None = None,
    ) -> None:
        self.backend = backend
        self.options = options
        self.model: str | None = None
        self._cache = cache
        self._fallback = fallback
        self._asking: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @override
    async def reason(self, query: ReasonQuery) -> Reason:
        started = time.perf_counter()
        try:
            text, cached = await self._bounded(query)
            reason = Reason(reason=text, annotator=self.name, model=self.model, cached=cached)
        except A3TError as error:
            if self._fallback is None:
                raise
            log.warning("reason.fallback", problem=error.slug, detail=error.detail)
            reason = (await self._fallback.reason(query)).model_copy(update={"fallback": True})
        return reason.model_copy(update={"seconds": time.perf_counter() - started})

    async def check(self) -> None:
        """Raises UnavailableError if the LLM server does not answer."""
        try:
            async with asyncio.timeout(self.options.timeout):
                self.model = await self.backend.model(refresh=True)
        except TimeoutError as error:
            raise UnavailableError("The LLM server does not answer.", hint="Check A3T_ACTRE_UPSTREAM_URL.") from error
        except A3TError as error:
            raise UnavailableError(error.detail, hint=error.hint) from error

    @override
    async def aclose(self) -> None:
        await self.backend.aclose()
        if self._cache:
            self._cache.close()

    async def _bounded(self, query: ReasonQuery) -> tuple[str, bool]:
        try:
            async with asyncio.timeout(self.options.deadline):
                return await self._answer(query)
        except TimeoutError as error:
            raise DeadlineError(
                f"The LLM gave no usable reason within {self.options.deadline:g} s.", hint="Raise A3T_ACTRE_DEADLINE."
            ) from error

    async def _answer(self, query: ReasonQuery) -> tuple[str, bool]:
        """Return the reason, and whether it came from the cache. Equal queries at the same time become one request."""
        prompt = await writing(partial(build_prompt, query, self.options.prompt, self.options.max_prompt_chars))
        self.model = await self._persist(lambda _: self.backend.model())
        if self._cache is None:
            return await self._persist(lambda n: self._attempt(query, prompt, n)), False
        key = self._key(prompt, query.action)
        async with self._asking.setdefault(key, asyncio.Lock()):
            found = await asyncio.to_thread(self._cache.get, key)
            if found is not None:
                return found, True
            text = await self._persist(lambda n: self._attempt(query, prompt, n))
            await asyncio.to_thread(self._cache.put, key, text)
            return text, False

    def _key(self, prompt: str, action: str) -> str:
        limits = self.options
        return prompt_key(
            model=self.model or "",
            prompt=prompt,
            action=action,
            temperature=limits.temperature,
            max_tokens=limits.max_tokens,
            max_words=limits.max_words,
        )

    async def _attempt(self, query: ReasonQuery, prompt: str, number: int) -> str:
        limits = self.options
        temperature = limits.temperature if number == 0 else max(limits.temperature, _RETRY_TEMPERATURE)
        with call_span(self.model, prompt, temperature, limits.max_tokens) as here:
            completion = await self.backend.complete(prompt, temperature, seed=number)
            tell_call(here, self.model, completion)
        self._count(completion)
        return clean_reason(
            completion.text, action=query.action, prompt=prompt, whole=completion.whole, max_words=limits.max_words
        )

    async def _persist(self, call: Callable[[int], Awaitable[str]]) -> str:
        """Return the result of a call. It is repeated after temporary failures; each attempt has `timeout` seconds."""
        return await Attempts(call, self.options.timeout, self.options.retries).result()

    def _count(self, completion: Completion) -> None:
        model = self.model or "unknown"
        TOKENS.labels(model, "prompt").inc(completion.prompt_tokens or 0)
        TOKENS.labels(model, "completion").inc(completion.completion_tokens or 0)
