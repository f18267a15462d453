"""Trace spans of completions, with names from OpenTelemetry's conventions for generative AI."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from a3t_contracts.tracing import Span, span, tracing, with_content
from a3t_contracts.tracing.genai import PROVIDER, messages

from .generation import Delta, Generated, Generation, Generator

__all__ = ["TracedGenerator", "traced"]


def traced(generator: Generator, operation: str, conversation: str | None = None) -> Generator:
    """Return the generator. If this process traces, each completion gets a span.

    Args:
        operation: `chat`, or `text_completion` for a prompt without roles.
        conversation: id of the recorded episode to which the completions belong; None if the request names none.
    """
    return TracedGenerator(generator, operation, conversation) if tracing() else generator


class TracedGenerator:
    """Generates with another generator, with a span for each completion."""

    def __init__(self, generator: Generator, operation: str, conversation: str | None) -> None:
        self._generator, self._operation, self._conversation = generator, operation, conversation

    def admit(self, count: int) -> None:
        """Like the generator's method."""
        self._generator.admit(count)

    async def generate(self, generation: Generation) -> Generated:
        """The finished completion."""
        with span(self._name(generation), self._asked(generation), kind="server", parent=_parent(generation)) as here:
            done = await self._generator.generate(generation)
            _tell(here, done)
            return done

    async def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        """Deltas, then the finished completion."""
        name, asked = self._name(generation), self._asked(generation)
        with span(name, asked, kind="server", parent=_parent(generation), current=False) as here:
            async for news in self._generator.stream(generation):
                if isinstance(news, Generated):
                    _tell(here, news)
                yield news

    def _name(self, generation: Generation) -> str:
        return f"{self._operation_of(generation)} {generation.model or 'live'}"

    def _operation_of(self, generation: Generation) -> str:
        return "chat" if generation.chat else self._operation

    def _asked(self, generation: Generation) -> dict[str, Any]:
        sampling, origin = generation.sampling, generation.origin
        asked = {
            "gen_ai.operation.name": self._operation_of(generation),
            "gen_ai.provider.name": PROVIDER,
            "gen_ai.request.model": generation.model,
            "gen_ai.request.temperature": sampling.temperature,
            "gen_ai.request.top_p": sampling.top_p,
            "gen_ai.request.top_k": sampling.top_k or None,
            "gen_ai.request.max_tokens": sampling.max_tokens,
            "gen_ai.request.seed": None if sampling.seed is None else str(sampling.seed),
            "gen_ai.request.stop_sequences": list(generation.stop) or None,
            "gen_ai.conversation.id": origin.episode if origin is not None else self._conversation,
            "a3t.run": origin.run if origin is not None else None,
        }
        if with_content():
            asked["gen_ai.input.messages"] = messages([{"role": "user", "content": generation.prompt_text}])
        return asked


def _parent(generation: Generation) -> str | None:
    return generation.origin.traceparent if generation.origin is not None else None


def _tell(here: Span, done: Generated) -> None:
    here.set(
        {
            "gen_ai.response.model": done.model,
            "gen_ai.response.finish_reasons": [done.finish_reason],
            "gen_ai.usage.input_tokens": done.prompt_tokens,
            "gen_ai.usage.output_tokens": done.completion_tokens,
            "gen_ai.usage.cache_read.input_tokens": done.cached_tokens or None,
        }
    )
    if with_content():
        here.set({"gen_ai.output.messages": messages([{"role": "assistant", "content": done.text}])})
