"""Plays one game with the scripted expert."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..native import Game, NativeEngine
from .expert import ScriptedExpert, Search

__all__ = ["solve"]

Disturb = Callable[[str, Sequence[str]], str]
"""Called with the expert's action and the admissible ones; returns the action to do instead."""


def solve(game: Game, cap: int = 50, search: Search = "likely", disturb: Disturb | None = None) -> int | None:
    """Play a game with the expert. Returns the number of steps until it won, or None if it did not win in `cap`
    steps.
    """
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
