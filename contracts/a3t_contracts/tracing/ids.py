"""Keeps the ids of what the code works for in structlog's context: `run`, `episode`, `request_id`.

Between services they are sent as headers: the request id as `X-Request-Id`, the others as members of W3C `baggage`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote, unquote

import structlog

from ..schemas.origin import Origin
from .spans import traceparent

__all__ = ["bind_ids", "bound_ids", "id_headers", "origin_here", "received_ids", "valid_id"]

_BAGGAGE = {"a3t.run": "run", "a3t.episode": "episode"}
"""Member of the header `baggage` → key in the log line."""
_ID = re.compile(r"[A-Za-z0-9._/-]{1,128}")
"""Form of an id that came from outside. It is logged, so control characters are excluded."""

bind_ids = structlog.contextvars.bind_contextvars
"""From now on every log line of this task has these ids: `bind_ids(run="demo", episode="…")`."""
bound_ids = structlog.contextvars.bound_contextvars
"""Like `bind_ids`, but only inside a `with` block."""


def valid_id(text: str) -> bool:
    """Return whether an id from outside may be logged and passed on."""
    return _ID.fullmatch(text) is not None


def id_headers() -> dict[str, str]:
    """Return the headers that tell another service which run, episode and request a call is made for; empty where
    nothing is known."""
    known = structlog.contextvars.get_contextvars()
    headers = {}
    if request := known.get("request_id"):
        headers["X-Request-Id"] = str(request)
    members = [f"{member}={quote(str(known[key]))}" for member, key in _BAGGAGE.items() if known.get(key)]
    if members:
        headers["baggage"] = ",".join(members)
    return headers


def received_ids(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    """Return run and episode of a request, from its headers."""
    header = headers.get(b"baggage")
    if header is None:
        return {}
    found = {}
    for member in header.decode("latin-1").split(","):
        name, _, value = member.partition(";")[0].partition("=")
        key, text = _BAGGAGE.get(name.strip()), unquote(value.strip())
        if key is not None and valid_id(text):
            found[key] = text
    return found


def origin_here() -> Origin | None:
    """Return run, episode and span of the current task, for an item of a batch; None where nothing is known."""
    known = structlog.contextvars.get_contextvars()
    run, episode, parent = known.get("run"), known.get("episode"), traceparent()
    if run is None and episode is None and parent is None:
        return None
    return Origin.model_construct(run=run, episode=episode, traceparent=parent)
