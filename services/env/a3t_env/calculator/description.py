"""The calculator's description (`EnvironmentInfo`): about, worked example."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["ABOUT", "MAX_STEPS", "SUCCESS", "example"]

MAX_STEPS = 10
ABOUT = (
    "The agent works out a calculation of one or more steps, from left to right, with a calculator. An action is an "
    "expression of whole numbers with plus, minus, times (or + - * /) and parentheses, for example: 17 plus 5; or the "
    "equals sign and the final result, which ends the episode, for example: = 22."
)
SUCCESS = "the answer is the result"


@cache
def example() -> str:
    """A worked episode in the ReAct format."""
    return files(__package__).joinpath("example.txt").read_text(encoding="utf-8")
