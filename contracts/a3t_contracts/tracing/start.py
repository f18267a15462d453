"""Starts and stops tracing in a process, by its settings, with FastAPI's own spans and OpenTelemetry's instrumentation
of httpx and Celery.

OpenTelemetry's own variables say where spans are sent and with which headers and attributes:
OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_HEADERS, OTEL_RESOURCE_ATTRIBUTES and so on.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..settings import CommonSettings
from .spans import use

if TYPE_CHECKING:
    from fastapi.telemetry import TelemetryConfig
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.sampling import Sampler

__all__ = ["app_telemetry", "start_tracing", "stop_tracing", "trace_queue"]

_UNTRACED_PATHS = ("/health", "/ready", "/metrics", "/static/")
_LOOKS = frozenset({"GET", "HEAD", "OPTIONS"})

_provider: TracerProvider | None = None


def start_tracing(service: str, settings: CommonSettings) -> None:
    """Send spans of this process from now on, if the settings say so. A second call changes nothing."""
    global _provider
    if not settings.traces or _provider is not None:
        return
    os.environ.setdefault("OTEL_SEMCONV_STABILITY_OPT_IN", "http")
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {"service.name": f"a3t-{service}", "service.namespace": "a3t", "service.version": __version__}
    resource = Resource.create(named | {"service.instance.id": f"{socket.gethostname()}/{os.getpid()}"})
    _provider = TracerProvider(resource=resource, sampler=_sampler(settings.traces_sample))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(_provider)
    HTTPXClientInstrumentor().instrument(tracer_provider=_provider)
    use(_provider.get_tracer("a3t", __version__), settings.traces_content)


def stop_tracing() -> None:
    """Send what has not been sent yet; spans that end later are lost."""
    if _provider is not None:
        _provider.shutdown()


def app_telemetry() -> TelemetryConfig:
    """Return FastAPI's telemetry setting: if tracing has started, every request gets a span below the span of its
    caller."""
    off: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}
    if _provider is None:
        return off
    return {**off, "tracing": True, "tracer_provider": _provider, "operation_spans": False, "exclude": _is_untraced}


def trace_queue() -> None:
    """If tracing has started, make spans when Celery tasks are sent and run; the tasks' messages then have a
    `traceparent`."""
    if _provider is None:
        return
    from opentelemetry.instrumentation.celery import CeleryInstrumentor

    CeleryInstrumentor().instrument(tracer_provider=_provider)  # type: ignore[no-untyped-call]


def _is_untraced(scope: Mapping[str, Any]) -> bool:
    return str(scope["path"]).startswith(_UNTRACED_PATHS)


def _sampler(share: float) -> Sampler:
    """Make a sampler that keeps the fraction `share` of the traces. Requests that only read (GET, HEAD, OPTIONS) begin
    no trace, because the dashboard sends them every few seconds."""
    from opentelemetry.sdk.trace.sampling import Decision, ParentBased, Sampler, SamplingResult, TraceIdRatioBased

    kept = TraceIdRatioBased(share)

    class Roots(Sampler):
        def should_sample(
            self, parent_context: Any, trace_id: int, name: str, *rest: Any, **more: Any
        ) -> SamplingResult:
            attributes = more.get("attributes") or (rest[1] if len(rest) > 1 else None) or {}
            if attributes.get("http.request.method") in _LOOKS:
                return SamplingResult(Decision.DROP)
            return kept.should_sample(parent_context, trace_id, name, *rest, **more)

        def get_description(self) -> str:
            return f"a3t({share:g})"

    return ParentBased(Roots())
