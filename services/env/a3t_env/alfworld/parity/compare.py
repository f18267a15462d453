"""Plays one game on both engines side by side."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from ..engine import Engine
from ..game_file import load_game
from ..native import NativeEngine
from .walks import walk

__all__ = ["Comparison", "View", "compare"]


@dataclass(frozen=True, slots=True)
class View:
    """Everything that an engine returns after a step."""

    text: str
    valid: bool
    won: bool
    actions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The result of a comparison: the commands carried out, and what each engine returned at the first difference (None
    if there is none).
    """

    game: str
    history: tuple[str, ...]
    native: View | None = None
    official: View | None = None
    won: bool = False
    fault: str = ""
    """Why the game could not be compared to the end; empty if it could."""

    @property
    def same(self) -> bool:
        """Whether the game was compared to the end without a difference."""
        return self.native is None and not self.fault

    def report(self) -> str:
        """The first difference with its history, to be read by a person."""
        if self.fault:
            return f"{self.game}: could not be compared: {self.fault}"
        if self.native is None or self.official is None:
            return f"{self.game}: no difference in {len(self.history)} steps"
        lines = [f"{self.game}: first difference after {len(self.history)} steps"]
        lines += [f"  {number:3} > {command!r}" for number, command in enumerate(self.history, 1)]
        for part in ("text", "valid", "won"):
            ours, theirs = getattr(self.native, part), getattr(self.official, part)
            if ours != theirs:
                lines += [f"  {part}, native:   {ours!r}", f"  {part}, official: {theirs!r}"]
        ours, theirs = self.native.actions, self.official.actions
        if ours != theirs:
            lines.append(f"  commands only in native:   {sorted(set(ours) - set(theirs))}")
            lines.append(f"  commands only in official: {sorted(set(theirs) - set(ours))}")
            lines.append(f"  same commands in another order: {sorted(ours) == sorted(theirs)}")
        return "\n".join(lines)


def compare(name: str, path: Path, official: Engine, steps: int, seed: int) -> Comparison:
    """Play the same commands on both engines, and compare everything that they return after every step.

    Args:
        name: name of the game in reports.
        path: its game file.
        official: the reference engine with the same file, not yet started.
        steps: number of commands; the game continues after it is won.
        seed: seed of the walk, which also depends on the name.
    """
    game = load_game(path)
    native = NativeEngine(game)
    ours, theirs = _view(native, native.start()), _view(official, official.start())
    history: list[str] = []
    won = ours.won
    commands = walk(game, native, ours.text, random.Random(f"{seed} {name}"))
    while ours == theirs and len(history) < steps:
        command = next(commands)
        history.append(command)
        ours, theirs = _view(native, *native.step(command)), _view(official, *official.step(command))
        won = won or ours.won
    if ours == theirs:
        return Comparison(name, tuple(history), won=won)
    return Comparison(name, tuple(history), ours, theirs, won)


def _view(engine: Engine, text: str, valid: bool = True) -> View:
    return View(text, valid, engine.won, tuple(engine.actions()))
