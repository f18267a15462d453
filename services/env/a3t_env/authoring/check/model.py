"""The results of a check."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CheckFailedError", "Verdict"]


class CheckFailedError(Exception):
    """A check found a fault: what, and what to do."""

    def __init__(self, text: str, hint: str = "") -> None:
        super().__init__(text)
        self.text, self.hint = text, hint


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check in plain words.

    Args:
        check: what was checked.
        state: `passed`; `failed`: a run would suffer; `noted`: it works, but something could be better.
        text: what was found.
        hint: what to do.
        figures: numbers that were measured, by name with unit.
    """

    check: str
    state: Literal["passed", "failed", "noted"]
    text: str
    hint: str = ""
    figures: dict[str, float] = field(default_factory=dict)
