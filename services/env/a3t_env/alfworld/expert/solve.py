"""Plays one game with the scripted expert."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..native import Game, NativeEngine
from .expert import ScriptedExpert, Search

__all__ = ["solve"]

Disturb = Callable[[str, Sequence[str]], str]
"""Replaces the expert's action: (its action, the admissible ones) → the action to do instead."""


def solve(game: Game, cap: int = 50, search: Search = "likely", disturb: Disturb | None = None) -> int | None:
    """Number of steps until the expert wins; None if it does not within `cap` steps."""
    engine = NativeEngine(game)
    expert = ScriptedExpert(engine.start(), search=search)
    for step in range(1, cap + 1):
        command = expert.act()
        if disturb is not None:
            command = disturb(command, engine.actions())
        expert.observe(command, engine.step(command)[0])
        if engine.won:
            return step
    return None
