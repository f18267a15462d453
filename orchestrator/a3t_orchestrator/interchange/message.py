"""A message of a chat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Message", "Role"]

Role = Literal["system", "user", "assistant"]


@dataclass(slots=True)
class Message:
    """A message. `trained` says of an assistant's whether it is to be imitated; None where nobody says."""

    role: Role
    text: str
    trained: bool | None = None
    thought: str | None = None
    """Reasoning that stood beside the text."""
