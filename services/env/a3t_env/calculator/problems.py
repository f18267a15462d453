"""The tasks, drawn by a fixed seed: a first number, and the steps to compute from it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["SPLITS", "TYPES", "WORDS", "Problem", "Step", "make_problems"]

SPLITS = {"train": 1000, "test": 200}
TYPES = {"one_step": 1, "two_steps": 2, "three_steps": 3}
"""Task type → number of steps."""
LARGEST = 99
"""Largest number in a task and among its intermediate results; the smallest is 1."""

WORDS = {"+": "plus", "-": "minus", "*": "times"}
"""Sign → the word for it in tasks, in the expert's actions and in sampled actions."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a calculation: `+`, `-` or `*`, and the number."""

    sign: str
    number: int

    def after(self, value: int) -> int:
        """The value after this step."""
        return {"+": value + self.number, "-": value - self.number, "*": value * self.number}[self.sign]


@dataclass(frozen=True, slots=True)
class Problem:
    """A task: where the calculation starts, and its steps."""

    id: str
    split: str
    type: str
    start: int
    steps: Sequence[Step]

    @property
    def text(self) -> str:
        """The task in words."""
        return f"Start with {self.start}, {', '.join(f'then {WORDS[s.sign]} {s.number}' for s in self.steps)}."

    @property
    def values(self) -> list[int]:
        """The start and the value after each step; the last one is the answer."""
        values = [self.start]
        for step in self.steps:
            values.append(step.after(values[-1]))
        return values

    @property
    def numbers(self) -> list[int]:
        """The numbers in the text, in their order."""
        return [self.start, *(step.number for step in self.steps)]


def make_problems() -> dict[str, Problem]:
    """Return id → problem, always the same. No text occurs twice, so no test task is also a training task."""
    problems: dict[str, Problem] = {}
    texts: set[str] = set()
    for split, count in SPLITS.items():
        generator = random.Random(f"calculator {split}")
        for number in range(count):
            kind = list(TYPES)[number % len(TYPES)]
            problem = _draw(f"{split}-{number:04d}", split, kind, generator)
            while problem.text in texts:
                problem = _draw(problem.id, split, kind, generator)
            texts.add(problem.text)
            problems[problem.id] = problem
    return problems


def _draw(id: str, split: str, kind: str, generator: random.Random) -> Problem:
    value = start = generator.randint(1, 20)
    steps: list[Step] = []
    for _ in range(TYPES[kind]):
        steps.append(_step(value, generator))
        value = steps[-1].after(value)
    return Problem(id, split, kind, start, tuple(steps))


def _step(value: int, generator: random.Random) -> Step:
    """Draw a step whose result is between 1 and `LARGEST`. The signs for which there is one are equally likely."""
    most = {"+": min(30, LARGEST - value), "-": min(30, value - 1), "*": min(9, LARGEST // value)}
    least = {"+": 1, "-": 1, "*": 2}
    sign = generator.choice([s for s in most if most[s] >= least[s]])
    return Step(sign, generator.randint(least[sign], most[sign]))
