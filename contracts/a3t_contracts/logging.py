"""Structured logs: one line per event, with key-value pairs; JSON in containers, colours on a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any

import structlog

__all__ = ["configure_logging", "get_logger"]

_CHATTY = ("botocore", "fsspec", "h2", "hpack", "httpcore", "httpx", "s3transfer", "urllib3")
"""Libraries that log every request or packet; they are logged from WARNING on."""

_TELLTALE = ("uvicorn.error", "websockets")
"""Libraries that log the headers of WebSockets, tokens included, at DEBUG; they are logged from INFO on."""


def configure_logging(service: str, level: str = "INFO", json: bool | None = None) -> None:
    """Configure structlog and the root logger of the standard library to write to stderr.

    Args:
        service: added to every line as `service`.
        level: DEBUG, INFO, WARNING or ERROR. HTTP libraries are logged from WARNING on whatever the level; those
            that would log tokens at DEBUG, from INFO on.
        json: whether lines are JSON; None means JSON unless stderr is a terminal.
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
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),  # the stderr of now, which may be another later
    )
    structlog.contextvars.bind_contextvars(service=service)
    logging.basicConfig(level=level.upper(), stream=sys.stderr, format="%(levelname)s %(name)s %(message)s", force=True)
    floors = dict.fromkeys(_CHATTY, logging.WARNING) | dict.fromkeys(_TELLTALE, logging.INFO)
    for name, floor in floors.items():
        logging.getLogger(name).setLevel(max(floor, logging.getLevelName(level.upper())))


def get_logger(name: str) -> Any:
    """A logger whose calls take an event and key-value pairs: `log.info("session.created", id=...)`."""
    return structlog.get_logger(module=name)
