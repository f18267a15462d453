"""The formats: each module of this folder with a `FORMAT`. They are not listed anywhere else."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from a3t_contracts.errors import InvalidInputError

from ..columns import Row
from ..format import Format

__all__ = ["all_formats", "format_named", "format_of", "recognised"]


@cache
def all_formats() -> dict[str, Format]:
    """Return every format by its name."""
    names = sorted(module.name for module in pkgutil.iter_modules(__path__))
    formats = [importlib.import_module(f"{__name__}.{name}").FORMAT for name in names]
    return {one.name: one for one in formats}


def format_named(name: str) -> Format:
    """Return the format of this name. Raises InvalidInputError for an unknown name."""
    found = all_formats().get(name)
    if found is None:
        raise InvalidInputError(f"There is no format {name!r}.", hint=f"Formats: {', '.join(all_formats())}.")
    return found


def recognised(row: Row) -> Format | None:
    """Return the format of a record; None if no format recognises it."""
    return next((one for one in sorted(all_formats().values(), key=lambda one: one.order) if one.recognises(row)), None)


def format_of(row: Row) -> Format:
    """Return the format of a record. Raises InvalidInputError if no format that can be imported recognises it."""
    found = recognised(row)
    if found is not None:
        return found
    if {"role", "content"} <= row.keys() or {"from", "value"} <= row.keys():
        raise InvalidInputError(
            "it is a single message, not an episode", hint="Write each episode as an object with the list `messages`."
        )
    if _is_answer(row) or _is_answer(row.get("response")):
        raise InvalidInputError(
            "it is a model's answer without the chat before it",
            hint="Write each episode as an object with the list `messages`, which has the answers too.",
        )
    keys = ", ".join(map(str, list(row)[:8])) or "none"
    raise InvalidInputError(
        f"its format is unknown; its keys are: {keys}",
        hint="Write each episode as an object with the list `messages`, or with `observation` and `steps`.",
    )


def _is_answer(value: object) -> bool:
    """Return whether a value is an answer of OpenAI's chat completions, also inside an entry of its batch files."""
    return isinstance(value, dict) and ("choices" in value or _is_answer(value.get("body")))
