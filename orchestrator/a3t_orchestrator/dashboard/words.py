"""Template filters that write values in words."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from markupsafe import Markup
from pydantic import BaseModel

__all__ = ["FILTERS", "age", "duration", "moment", "number", "options", "percent", "words"]

_UNITS = (("d", 86400), ("h", 3600), ("min", 60))
_NONE = "–"


def duration(seconds: float | None) -> str:
    """Write a duration, e.g. `2 h 5 min`, `41 s`, `0.8 s`."""
    if seconds is None:
        return _NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for i, (unit, size) in enumerate(_UNITS):
        if whole >= size:
            rest, (small, step) = whole % size, [*_UNITS, ("s", 1)][i + 1]
            return f"{whole // size} {unit}" + (f" {rest // step} {small}" if rest // step else "")
    return f"{whole} s"


def age(then: datetime | None) -> str:
    """Write how long ago a time is, e.g. `5 min ago`."""
    if then is None:
        return _NONE
    seconds = max(0.0, (datetime.now(UTC) - then).total_seconds())
    found = next((f"{int(seconds // size)} {unit}" for unit, size in _UNITS if seconds >= size), f"{seconds:.0f} s")
    return f"{found} ago"


def moment(then: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Markup | str:
    """Write a time in UTC, as a `time` element that scripts and screen readers understand."""
    if then is None:
        return _NONE
    at = then.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"), at.strftime(form)
    )


def ago(then: datetime | None) -> Markup | str:
    """Write how long ago a time is, as a `time` element."""
    if then is None:
        return _NONE
    at = then.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"), age(at)
    )


def number(value: float | None) -> str:
    """Write a number with thin spaces between thousands."""
    return _NONE if value is None else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def figure(value: Any) -> str:
    """Write a value of a table: whole numbers with thin spaces, other numbers with five digits, text unchanged."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NONE if value is None else str(value)
    return number(value) if value == int(value) or abs(value) >= 10_000 else f"{value:.5g}"


def percent(share: float | None, digits: int = 0) -> str:
    """Write a share from 0 to 1 in percent."""
    return _NONE if share is None else f"{100 * share:.{digits}f} %"


def as_json(value: Any) -> str:
    """Write a value as JSON for an attribute that a script reads. The template escapes it."""
    return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)


_MARKS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥"})


def visible(text: str) -> str:
    """Write the text of a token with visible white space."""
    return text.translate(_MARKS)


_NAMES = {
    "policy": "own attempt",
    "max_steps": "step limit",
    "max_invalid": "invalid actions",
    "max_stale": "nothing new",
    "context": "context full",
    "done": "end of the game",
}


def words(value: str) -> str:
    """Write a stored name in words, e.g. `step limit` for `max_steps`."""
    return _NAMES.get(str(value), str(value).replace("_", " "))


def options(values: Iterable[str], named: bool = True) -> list[tuple[str, str]]:
    """Return pairs of value and words for the choices of a field. With `named=False` the words are the value itself."""
    return [(str(value), words(value) if named else str(value)) for value in values]


FILTERS: dict[str, Callable[..., Any]] = {
    "age": age,
    "ago": ago,
    "as_json": as_json,
    "duration": duration,
    "figure": figure,
    "moment": moment,
    "number": number,
    "options": options,
    "percent": percent,
    "visible": visible,
    "words": words,
}
