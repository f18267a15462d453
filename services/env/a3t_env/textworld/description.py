"""TextWorld's description (`EnvironmentInfo`): about, worked example."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["ABOUT", "GET_DATA", "MAX_STEPS", "SUCCESS", "example"]

MAX_STEPS = 50
ABOUT = (
    "The agent plays a text adventure: it walks through rooms, opens doors and containers, takes things, and may have "
    "to cook a meal after a recipe in a cookbook. Its actions are commands such as: go north, open gate, unlock gate "
    "with key, take coin, take carrot from fridge, examine cookbook, chop carrot with knife, cook carrot with stove, "
    "prepare meal, eat meal, look, inventory."
)
SUCCESS = "the game is won"
GET_DATA = "Run `a3t data generate textworld`."


@cache
def example() -> str:
    """A worked episode in the ReAct format."""
    return files(__package__).joinpath("example.txt").read_text(encoding="utf-8")
