"""Ignores unsupported options that have a neutral value, and refuses other values with an error that names the
option."""

from __future__ import annotations

import json
from typing import Any, ClassVar

from pydantic import model_validator

from a3t_contracts.schemas.base import Schema

__all__ = ["ClientSchema", "Unserved"]

_SAYS_NOTHING: tuple[Any, ...] = (None, "", [], {})


class Unserved:
    """An option that is not supported: its neutral values, and what to do instead of using others."""

    def __init__(self, *neutral: Any, hint: str = "Leave it out.") -> None:
        self.neutral, self.hint = (*_SAYS_NOTHING, *neutral), hint


class ClientSchema(Schema):
    """A part of a client's request.

    Many clients send every key that they know, most of them null or empty. Such keys are ignored, whatever their name.
    `unserved` lists keys with further neutral values or with a special hint.
    """

    unserved: ClassVar[dict[str, Unserved]] = {}

    @model_validator(mode="before")
    @classmethod
    def _drop_what_says_nothing(cls, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        kept = {name: value for name, value in data.items() if name in cls.model_fields}
        for name in [name for name in data if name not in kept]:
            rule = cls.unserved.get(name)
            if data[name] not in (rule.neutral if rule else _SAYS_NOTHING):
                raise ValueError(_refusal(name, rule))
        return kept


def _refusal(name: str, rule: Unserved | None) -> str:
    if rule is None:
        return f"{str(name)[:100]!r} is not a supported key of this request. Check its spelling, or leave it out"
    neutral = [value for value in rule.neutral if value not in _SAYS_NOTHING]
    served = f" with another value than {' or '.join(map(json.dumps, neutral))}" if neutral else ""
    return f"{name} is not supported{served}. {rule.hint.rstrip('.')}"
