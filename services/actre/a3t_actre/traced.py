"""Trace spans of reasons, and of the LLM calls for them."""

from __future__ import annotations

from contextlib import AbstractContextManager

from a3t_contracts.schemas import Reason, ReasonQuery
from a3t_contracts.tracing import Span, span, tracing, with_content
from a3t_contracts.tracing.genai import messages

from .backends.base import Completion

__all__ = ["call_span", "reason_span", "tell_call", "tell_reason"]


def reason_span(query: ReasonQuery, annotator: str) -> AbstractContextManager[Span]:
    """The span of one reason, a child of the span of its episode."""
    if not tracing():
        return span("")
    origin = query.origin
    attributes = {
        "gen_ai.conversation.id": origin.episode if origin is not None else None,
        "a3t.run": origin.run if origin is not None else None,
        "a3t.environment": query.history.environment,
        "a3t.step": len(query.history.turns),
        "a3t.annotator": annotator,
        "a3t.action": query.action if with_content() else None,
    }
    parent = origin.traceparent if origin is not None else None
    return span(f"write_reason {annotator}", attributes, kind="server", parent=parent)


def tell_reason(here: Span, reason: Reason) -> None:
    """Add the result to the span."""
    if tracing():
        here.set(
            {
                "a3t.annotator": reason.annotator,
                "a3t.fallback": reason.fallback,
                "a3t.cached": reason.cached,
                "a3t.reason": reason.reason if with_content() else None,
            }
        )


def call_span(model: str | None, prompt: str, temperature: float, max_tokens: int) -> AbstractContextManager[Span]:
    """The span of one call to the LLM server."""
    if not tracing():
        return span("")
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": model,
        "gen_ai.request.temperature": temperature,
        "gen_ai.request.max_tokens": max_tokens,
        "gen_ai.input.messages": messages([{"role": "user", "content": prompt}]) if with_content() else None,
    }
    return span(f"chat {model or ''}".strip(), attributes, kind="client")


def tell_call(here: Span, model: str | None, completion: Completion) -> None:
    """Add the server's answer to the span."""
    if not tracing():
        return
    written = messages([{"role": "assistant", "content": completion.text}]) if with_content() else None
    here.set(
        {
            "gen_ai.response.model": model,
            "gen_ai.response.finish_reasons": ["stop" if completion.whole else "length"],
            "gen_ai.usage.input_tokens": completion.prompt_tokens,
            "gen_ai.usage.output_tokens": completion.completion_tokens,
            "gen_ai.output.messages": written,
        }
    )
