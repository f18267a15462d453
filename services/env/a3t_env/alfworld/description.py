"""ALFWorld's description (`EnvironmentInfo`): about, worked example, published figures."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from a3t_contracts.schemas import PublishedFigures

__all__ = ["ABOUT", "GET_DATA", "MAX_STEPS", "PUBLISHED", "SUCCESS", "example"]

MAX_STEPS = 50
ABOUT = (
    "The agent does household tasks in a text world: it finds an object, may clean, heat, cool or look at it, and puts "
    "it somewhere. Its actions are commands such as: go to fridge 1, open fridge 1, take apple 1 from fridge 1, heat "
    "apple 1 with microwave 1, use desklamp 1, look, inventory."
)
SUCCESS = "the game is won"
GET_DATA = "Run `a3t data generate alfworld`, or `a3t data import alfworld PATH` for the official games."
PUBLISHED = PublishedFigures(
    test_set="134 unseen games, Mistral-7B",
    single=[86, 94, 96, 95],
    accumulated=[86, 97, 99, 100],
    training_set=[(2130, 0), (2669, 99), (4066, 177), (4995, 219)],
    others={
        "BUTLER (best of 8)": 37,
        "ReAct, gpt-3.5-turbo-instruct (best of 6)": 83,
        "AgentLM-70B": 86,
        "LM-BUTLER (3,553 demonstrations)": 96,
    },
)
"""The A³T paper, arXiv 2403.14589."""


@cache
def example() -> str:
    """A worked episode in the ReAct format."""
    return files(__package__).joinpath("example.txt").read_text(encoding="utf-8")
