"""Turns the game's texts into what an agent reads."""

from __future__ import annotations

import re

__all__ = ["tidy"]

_LOGO = re.compile(r"\A(?:[\s_|\\/$>]*\n)+")
"""The package's name in large letters, above the first text."""
_STATUS = re.compile(r">?[ ]{20,}-=[^\n]*=-\d+/\d+\s*\Z")
"""The prompt and the status line of a screen: room, score and moves."""
_AFTERWARDS = re.compile(r"\*\*\* The End \*\*\*.*", re.DOTALL)
"""Below the end: the score again, and a question to a human player."""


def tidy(feedback: str) -> str:
    """Remove logo, status line, blank lines, indentation and the text after the end of the game."""
    text = _AFTERWARDS.sub("*** The End ***", _STATUS.sub("", _LOGO.sub("", feedback)))
    return "\n".join(line.strip() for line in text.splitlines() if line.strip())
