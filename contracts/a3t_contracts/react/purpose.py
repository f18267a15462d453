"""Judges from the first words of a thought whether it names a purpose, for steps that do not record it."""

from __future__ import annotations

__all__ = ["NO_PURPOSE", "names_purpose"]

NO_PURPOSE = "I try something else"
"""First words of the reason that ActRe's template annotator writes for an action in which it sees no purpose. Policies
that were trained on such reasons write them too."""


def names_purpose(thought: str | None) -> bool:
    """Return whether the thought names a purpose: false if it begins with `NO_PURPOSE`."""
    return not (thought or "").startswith(NO_PURPOSE)
