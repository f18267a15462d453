"""Structured logs: one event and key-value pairs a line; JSON in containers, colours in a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

__all__ = ["configure_logging", "get_logger"]

_CHATTY = ("botocore", "fsspec", "h2", "hpack", "httpcore", "httpx", "s3transfer", "urllib3")
"""Libraries that write lines for every request and packet; our own lines say what was asked."""


def configure_logging(service: str, level: str = "INFO", json: bool | None = None) -> None:
    """Configure structlog and the standard library's root logger to write to stderr.

    Args:
        service: bound to every line as `service`.
        level: DEBUG, INFO, WARNING or ERROR; of the libraries that speak HTTP nothing below WARNING is shown.
        json: JSON lines; None means JSON unless stderr is a terminal.
    """
    as_json = not sys.stderr.isatty() if json is None else json
    renderer: Any = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def get_logger(name: str) -> Any:
    """A logger whose calls take an event and key-value pairs: `log.info("session.created", id=...)`."""
    return structlog.get_logger(module=name)
