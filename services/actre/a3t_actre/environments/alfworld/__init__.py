"""ActRe's plug-in for ALFWorld: a grammar of reasons and a few-shot prompt."""

from __future__ import annotations

from pathlib import Path

from ...plugins import ReasonsPlugin
from .grammar import alfworld_reason

__all__ = ["plugin"]

plugin = ReasonsPlugin(grammar=alfworld_reason, prompts=Path(__file__).parent)
