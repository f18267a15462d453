"""JSON for PostgreSQL, whose JSONB cannot store the NUL character, which a model may write like any other character.

In a stored text, a Unicode noncharacter and a digit take the place of a NUL. Reading restores the NUL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

__all__ = ["dumps", "loads"]

_MARK = "\U0010fffe"
_STORED = {"\0": f"{_MARK}0", _MARK: f"{_MARK}1"}
_READ = {stored: character for character, stored in _STORED.items()}
_UNSTORABLE = re.compile(f"[\0{_MARK}]")
_REPLACED = re.compile(f"{_MARK}[01]")


def dumps(value: Any) -> str:
    """Return a value as JSON that PostgreSQL accepts."""
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text or _MARK in text:
        text = json.dumps(_changed(value, _store), ensure_ascii=False)
    return text


def loads(text: str | bytes) -> Any:
    """Return the value from JSON that `dumps` made."""
    value = json.loads(text)
    marked = _MARK in text if isinstance(text, str) else _MARK.encode() in text
    return _changed(value, _read) if marked else value


def _store(text: str) -> str:
    return _UNSTORABLE.sub(lambda found: _STORED[found[0]], text)


def _read(text: str) -> str:
    return _REPLACED.sub(lambda found: _READ[found[0]], text)


def _changed(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, dict):
        return {change(key): _changed(member, change) for key, member in value.items()}
    return [_changed(member, change) for member in value] if isinstance(value, list | tuple) else value
