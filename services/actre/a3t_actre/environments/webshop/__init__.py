"""ActRe's plug-in for WebShop: a grammar of reasons and a few-shot prompt."""

from __future__ import annotations

from pathlib import Path

from ...plugins import ReasonsPlugin
from .grammar import webshop_reason

__all__ = ["plugin"]

plugin = ReasonsPlugin(grammar=webshop_reason, prompts=Path(__file__).parent)
