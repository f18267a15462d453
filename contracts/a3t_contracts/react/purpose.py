"""Judges from the first words of a thought whether it names a purpose, where the step does not record it."""

from __future__ import annotations

__all__ = ["NO_PURPOSE", "names_purpose"]

NO_PURPOSE = "I try something else"
"""First words of a reason of ActRe's template annotator for an action that serves no goal that it sees. Policies that
were trained on such reasons write them too."""


def names_purpose(thought: str | None) -> bool:
    """Whether the thought names a purpose: false if it begins with `NO_PURPOSE`."""
    return not (thought or "").startswith(NO_PURPOSE)
