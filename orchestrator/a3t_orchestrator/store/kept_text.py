"""Texts and JSON for PostgreSQL, which cannot store the NUL character. A model may write it like any other character.

In a stored text, a Unicode noncharacter and a digit take the place of a NUL. Reading restores the NUL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["dumps", "loads", "read_text", "stored_text"]

_MARK = "\U0010fffe"
_STORED = {"\0": f"{_MARK}0", _MARK: f"{_MARK}1"}
_BACK = {stored: character for character, stored in _STORED.items()}
_UNSTORABLE = re.compile(f"[\0{_MARK}]")
_REPLACED = re.compile(f"{_MARK}[01]")


def dumps(value: Any) -> str:
    """Return a value as JSON that PostgreSQL accepts."""
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text or _MARK in text:
        text = json.dumps(_changed(value, stored_text), ensure_ascii=False)
    return text


def loads(text: str | bytes) -> Any:
    """Return the value from JSON that `dumps` made."""
    value = json.loads(text)
    marked = _MARK in text if isinstance(text, str) else _MARK.encode() in text
    return _changed(value, read_text) if marked else value


def stored_text(text: str) -> str:
    """Return a text as PostgreSQL accepts it."""
    return _UNSTORABLE.sub(lambda found: _STORED[found[0]], text)


def read_text(text: str) -> str:
    """Return the text that `stored_text` was given."""
    return _REPLACED.sub(lambda found: _BACK[found[0]], text)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _changed(member, change) for key, member in value.items()}
    return [_changed(member, change) for member in value] if isinstance(value, list | tuple) else value
