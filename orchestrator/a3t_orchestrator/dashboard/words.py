"""Values in words, as filters of the templates."""

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
    """E.g. `2 h 5 min`, `41 s`, `0.8 s`."""
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
    """E.g. `5 min ago`."""
    if then is None:
        return _NONE
    seconds = max(0.0, (datetime.now(UTC) - then).total_seconds())
    found = next((f"{int(seconds // size)} {unit}" for unit, size in _UNITS if seconds >= size), f"{seconds:.0f} s")
    return f"{found} ago"


def moment(then: datetime | None, form: str = "%Y-%m-%d %H:%M") -> Markup | str:
    """A time in UTC, as a `time` element that scripts and screen readers understand."""
    if then is None:
        return _NONE
    at = then.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"), at.strftime(form)
    )


def ago(then: datetime | None) -> Markup | str:
    """How long ago, as a `time` element."""
    if then is None:
        return _NONE
    at = then.astimezone(UTC)
    return Markup('<time datetime="{}" title="{} UTC">{}</time>').format(
        at.isoformat(), at.strftime("%Y-%m-%d %H:%M:%S"), age(at)
    )


def number(value: float | None) -> str:
    """With thin spaces between thousands."""
    return _NONE if value is None else f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def figure(value: Any) -> str:
    """A value of a table: whole numbers with thin spaces, others with five digits, text as it is."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return _NONE if value is None else str(value)
    return number(value) if value == int(value) or abs(value) >= 10_000 else f"{value:.5g}"


def percent(share: float | None, digits: int = 0) -> str:
    """A share in percent."""
    return _NONE if share is None else f"{100 * share:.{digits}f} %"


def as_json(value: Any) -> str:
    """For an attribute that a script reads; the template escapes it."""
    return value.model_dump_json() if isinstance(value, BaseModel) else json.dumps(value)


_MARKS = str.maketrans({" ": "␣", "\n": "⏎", "\t": "⇥"})


def visible(text: str) -> str:
    """The text of a token, whose white space is shown."""
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
    """A stored name in words, e.g. `step limit` for `max_steps`."""
    return _NAMES.get(str(value), str(value).replace("_", " "))


def options(values: Iterable[str], named: bool = True) -> list[tuple[str, str]]:
    """(value, words) of the choices of a field; `named=False`: the words are the value."""
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
