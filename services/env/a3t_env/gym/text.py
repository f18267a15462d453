"""A Gymnasium space of any text."""

from __future__ import annotations

import string
from typing import Any

from gymnasium.spaces import Text

__all__ = ["AnyText"]

_SAMPLED = string.ascii_letters + string.digits + string.punctuation + " "


class AnyText(Text):
    """Every text of up to `max_length` characters, of any alphabet, and the empty text.

    Gymnasium's `Text` has a list of allowed characters. Here that list is only used to draw samples.
    """

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length, min_length=0, charset=_SAMPLED)

    def contains(self, x: Any) -> bool:
        """Whether `x` is a text of at most `max_length` characters."""
        return isinstance(x, str) and len(x) <= self.max_length

    def __repr__(self) -> str:
        return f"AnyText({self.max_length})"
