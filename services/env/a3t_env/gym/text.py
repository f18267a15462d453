"""A Gymnasium space of any text."""

from __future__ import annotations

import string
from typing import Any

from gymnasium.spaces import Text

__all__ = ["AnyText"]

_SAMPLED = string.ascii_letters + string.digits + string.punctuation + " "


class AnyText(Text):
    """Every text of up to `max_length` characters, the empty one and other scripts too.

    Gymnasium's own `Text` holds a list of the allowed characters. Here that list is only what samples are made of.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, min_length=0, charset=_SAMPLED)

    def contains(self, x: Any) -> bool:
        """Whether it is a text that is not too long."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"AnyText({self.max_length})"
