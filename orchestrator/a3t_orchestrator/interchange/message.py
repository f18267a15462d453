"""A message of a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Message", "Role"]

Role = Literal["system", "user", "assistant"]


@dataclass(slots=True)
class Message:
    """A message of a chat. `trained`: whether a message of the assistant is to be imitated; None if that is not
    known."""

    role: Role
    text: str
    trained: bool | None = None
    thought: str | None = None
    """Reasoning that was given separately from the text."""
