"""Whether a thought names a purpose, judged by how it begins, for thoughts whose step does not record it."""

from __future__ import annotations

__all__ = ["NO_PURPOSE", "names_purpose"]

NO_PURPOSE = "I try something else"
"""How ActRe's template grammars begin the reason of an action that serves no goal that they see. Policies that learnt
from such reasons write it too."""


def names_purpose(thought: str | None) -> bool:
    """False where a thought begins with `NO_PURPOSE`."""
    return not (thought or "").startswith(NO_PURPOSE)
