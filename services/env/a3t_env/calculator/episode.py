"""One episode with the calculator, behind the environment protocol."""

from __future__ import annotations

import random
import re

from a3t_contracts.errors import ConflictError

from ..errors import NotOfferedError
from ..protocol import Outcome
from .expression import ExpressionError, evaluate, shown
from .problems import WORDS, Problem

__all__ = ["CalculatorEpisode"]

_ANSWER = re.compile(r"= ?(-?[0-9]{1,13})")
_WORDS = list(WORDS.values())
_DRAWS = 16
"""Most draws for a sampled action that is not the one to avoid."""


class CalculatorEpisode:
    """Implements `a3t_env.protocol.Episode`."""

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._results: list[str] = []
        """The whole numbers that the calculator showed, in order."""
        self._reached = 0
        """How many of the task's steps the calculator has done."""
        self._over: bool | None = None
        """Whether the answer was given; None before the start."""

    def start(self) -> Outcome:
        """Return the calculation to do, which is the first observation."""
        self._results, self._reached, self._over = [], 0, False
        return Outcome(self._problem.text)

    def step(self, action: str) -> Outcome:
        """Compute an expression, or check the answer, which ends the episode."""
        self._require_begun()
        text = " ".join(action.split())
        if answer := _ANSWER.fullmatch(text):
            return self._answer(int(answer[1]))
        return self._calculate(text)

    def actions(self) -> list[str]:
        """Raises NotOfferedError: any expression is an action."""
        raise NotOfferedError(
            "The environment calculator does not list its actions.", hint="`POST …/sample` draws one of them."
        )

    def sample(self, seed: int, avoid: str | None = None) -> str:
        """Draw an expression of two numbers that were shown, or an answer with one of them. The same seed and state
        give the same draw. Agents may write any other expression, too.
        """
        self._require_begun()
        generator = random.Random(seed)
        action = self._drawn(generator)
        for _ in range(_DRAWS):
            if action != avoid:
                break
            action = self._drawn(generator)
        return action

    def expert(self) -> str:
        """The next step of the task after those that the calculator has done, and at the end the answer."""
        self._require_begun()
        value = self._problem.values[self._reached]
        if self._reached == len(self._problem.steps):
            return f"= {value}"
        step = self._problem.steps[self._reached]
        return f"{value} {WORDS[step.sign]} {step.number}"

    def close(self) -> None:
        """Does nothing: the episode holds no resources."""

    def _calculate(self, expression: str) -> Outcome:
        try:
            value = evaluate(expression)
        except ExpressionError as error:
            return Outcome(str(error), valid=False)
        if value.denominator == 1:
            self._results.append(shown(value))
        later = self._problem.values[self._reached + 1 :]
        if value in later:
            self._reached += 1 + later.index(int(value))
        return Outcome(shown(value))

    def _answer(self, given: int) -> Outcome:
        self._over = True
        right = given == self._problem.values[-1]
        text = "That is right." if right else "That is wrong."
        return Outcome(text, reward=float(right), done=True, success=right)

    def _drawn(self, generator: random.Random) -> str:
        seen = list(dict.fromkeys([*map(str, self._problem.numbers), *self._results]))
        choice = generator.randrange(len(seen) * len(seen) * len(_WORDS) + len(seen))
        if choice < len(seen):
            return f"= {seen[choice]}"
        return f"{generator.choice(seen)} {generator.choice(_WORDS)} {generator.choice(seen)}"

    def _require_begun(self) -> None:
        if self._over is None:
            raise ConflictError("The episode was not started.")
        if self._over:
            raise ConflictError("The answer was given: the episode is over.")
