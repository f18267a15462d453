"""Structured logs: one line per event, with key-value pairs; JSON in containers, colours on a terminal."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from .tracing.spans import span_ids

__all__ = ["configure_logging", "get_logger"]

_CHATTY = ("botocore", "fsspec", "h2", "hpack", "httpcore", "httpx", "s3transfer", "urllib3")
"""Libraries that log every request or packet; they are logged from WARNING on."""

_TELLTALE = ("uvicorn.error", "websockets")
"""Libraries that log the headers of WebSockets, tokens included, at DEBUG; they are logged from INFO on."""


def configure_logging(service: str, level: str = "INFO", json: bool | None = None) -> None:
    """Configure structlog and the root logger of the standard library to write to stderr, in one form.

    Every line has the ids of what the code works for, where they are known: `run`, `episode`, `request_id`, and with
    tracing `trace_id` and `span_id`.

    Args:
        service: added to every line as `service`.
        level: DEBUG, INFO, WARNING or ERROR. HTTP libraries are logged from WARNING on, whatever the level is.
            Libraries that would log tokens at DEBUG are logged from INFO on.
        json: whether lines are JSON; None means JSON unless stderr is a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    about: list[Any] = [
        structlog.contextvars.merge_contextvars,
        _Facts(service),
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    ending = [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[*about, *ending],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=lambda *_: structlog.PrintLogger(
            sys.stderr
        ),  # looked up at each call, because sys.stderr may be replaced
    )
    handler = _StderrHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*about, _module],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *ending],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    floors = dict.fromkeys(_CHATTY, logging.WARNING) | dict.fromkeys(_TELLTALE, logging.INFO)
    for name, floor in floors.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelName(level.upper())))


def get_logger(name: str) -> Any:
    """Return a logger whose calls take an event and key-value pairs: `log.info("session.created", id=...)`."""
    return structlog.get_logger(module=name)


class _Facts:
    """Adds the name of the service and the ids of the current span to every line."""

    def __init__(self, service: str) -> None:
        self.service = service

    def __call__(self, _: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
        return {**event, "service": self.service, **span_ids()}


def _module(_: Any, __: str, event: MutableMapping[str, Any]) -> dict[str, Any]:
    """Adds the name of a standard library logger under the same key as the names of our own loggers."""
    return {**event, "module": event["_record"].name}


class _StderrHandler(logging.StreamHandler[TextIO]):
    """Writes to whatever `sys.stderr` is at the time of the call."""

    def __init__(self) -> None:
        super().__init__(sys.stderr)

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line."""
        self.stream = sys.stderr
        super().emit(record)
