"""Makes OpenTelemetry spans. Until tracing has started the same calls do nothing.

Put texts (prompts, observations, error messages) into a span only where `with_content()` is true.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Protocol, Self

if TYPE_CHECKING:
    from contextvars import Token

    from opentelemetry.context import Context
    from opentelemetry.trace import Tracer

__all__ = [
    "Attributes",
    "Kind",
    "Span",
    "note_event",
    "span",
    "span_ids",
    "traceparent",
    "tracing",
    "untraced",
    "use",
    "with_content",
]

Attributes = Mapping[str, Any]
"""Attribute → value: a string, a number, a boolean, or a list of one of these. None leaves an attribute out."""
Kind = Literal["internal", "client", "server"]

_tracer: Tracer | None = None
_content = False


class Span(Protocol):
    """The value of `with span(…)`."""

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""

    def event(self, name: str, attributes: Attributes) -> None:
        """Add an event that happens now."""


def use(tracer: Tracer | None, content: bool = False) -> None:
    """Make spans with this tracer from now on; None switches spans off. `content`: whether spans may contain texts."""
    global _tracer, _content
    _tracer, _content = tracer, content


def tracing() -> bool:
    """Return whether spans are made. Check this before work that only a span needs."""
    return _tracer is not None


def with_content() -> bool:
    """Return whether spans may contain texts of prompts, completions, actions and observations."""
    return _content


def span(
    name: str,
    attributes: Attributes | None = None,
    *,
    kind: Kind = "internal",
    parent: str | None = None,
    new_trace: bool = False,
    current: bool = True,
    started: int | None = None,
) -> AbstractContextManager[Span]:
    """Make a span from here to the end of the `with`. An exception that leaves the block marks the span as failed, with
    the exception's class.

    Args:
        name: name in the form of the semantic conventions, e.g. `execute_tool calculator`.
        attributes: what is known at the start.
        kind: `client` where another service does the work.
        parent: traceparent of the span above it; None takes the current span.
        new_trace: whether the span begins a new trace.
        current: whether spans made inside the block lie below this one. Use False in a generator, which leaves its
            context between two values.
        started: time at which it began, in nanoseconds since 1970; None takes the present time.

    A span of another trace than the current one is linked to the current span.
    """
    if _tracer is None:
        return _OFF
    return _On(_tracer, name, attributes or {}, kind, _above(parent, new_trace), current, started)


def traceparent() -> str | None:
    """Return the current span as a W3C `traceparent`; None where there is none."""
    if _tracer is None:
        return None
    from opentelemetry.trace import get_current_span

    here = get_current_span().get_span_context()
    return f"00-{here.trace_id:032x}-{here.span_id:016x}-{here.trace_flags:02x}" if here.is_valid else None


def span_ids() -> dict[str, str]:
    """Return `trace_id` and `span_id` of the current span, for a log line; empty where there is none."""
    parent = traceparent()
    if parent is None:
        return {}
    _, trace, here, _ = parent.split("-")
    return {"trace_id": trace, "span_id": here}


def note_event(name: str, attributes: Attributes) -> None:
    """Add an event to the current span."""
    if _tracer is not None:
        from opentelemetry.trace import get_current_span

        get_current_span().add_event(name, _known(attributes))


def untraced() -> AbstractContextManager[None]:
    """Make no spans for HTTP requests inside this `with`, for example for repeated requests that ask whether something
    is done."""
    if _tracer is None:
        return nullcontext()
    from opentelemetry.instrumentation.utils import suppress_http_instrumentation

    return suppress_http_instrumentation()


class _Off(AbstractContextManager[Span]):
    """Stands in for a span while tracing is off."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        return

    def set(self, attributes: Attributes) -> None:
        """Nothing."""

    def event(self, name: str, attributes: Attributes) -> None:
        """Nothing."""


_OFF = _Off()


class _On(AbstractContextManager[Span]):
    """A span of OpenTelemetry."""

    def __init__(
        self,
        tracer: Tracer,
        name: str,
        attributes: Attributes,
        kind: Kind,
        above: Context | None,
        current: bool,
        started: int | None,
    ) -> None:
        from opentelemetry.trace import Link, SpanKind, get_current_span

        around = get_current_span().get_span_context()
        elsewhere = around.is_valid and above is not None
        self._current = current
        self._token: Token[Context] | None = None
        self._span = tracer.start_span(
            name,
            context=above,
            kind=SpanKind[kind.upper()],
            attributes=_known(attributes),
            links=[Link(around)] if elsewhere else (),
            start_time=started,
            record_exception=False,
            set_status_on_exception=False,
        )

    def __enter__(self) -> Self:
        if self._current:
            from opentelemetry import context, trace

            self._token = context.attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        from opentelemetry import context
        from opentelemetry.trace import Status, StatusCode

        if self._token is not None:
            context.detach(self._token)
        if kind is not None:
            self._span.set_attribute("error.type", kind.__name__)
            self._span.set_status(Status(StatusCode.ERROR, str(error) if _content else None))
        self._span.end()

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        self._span.set_attributes(_known(attributes))

    def event(self, name: str, attributes: Attributes) -> None:
        """Add an event that happens now."""
        self._span.add_event(name, _known(attributes))


def _known(attributes: Attributes) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}


def _above(parent: str | None, new_trace: bool) -> Context | None:
    """Return the OpenTelemetry context to make a span in; None stands for the current context."""
    if new_trace:
        from opentelemetry.context import Context

        return Context()
    if parent is None:
        return None
    from opentelemetry.context import Context
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

    return TraceContextTextMapPropagator().extract({"traceparent": parent}, Context())
