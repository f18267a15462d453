"""The results of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CheckFailedError", "Verdict"]


class CheckFailedError(Exception):
    """A check found a fault. The text says which, the hint what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text, self.hint = text, hint


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result of one check, in words.

    Args:
        check: name of the check.
        state: `passed`; `failed`: runs would not work correctly; `noted`: runs work, but could be better.
        text: what the check found.
        hint: what the author can do.
        figures: numbers that were measured, by name with unit.
    """

    check: str
    state: Literal["passed", "failed", "noted"]
    text: str
    hint: str = ""
    figures: dict[str, float] = field(default_factory=dict)
