"""The description of WebShop (`EnvironmentInfo`): what the agent does, worked example, separator, published figures."""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from a3t_contracts.schemas import PublishedFigures

__all__ = ["ABOUT", "GET_DATA", "MAX_STEPS", "PUBLISHED", "SEPARATOR", "SUCCESS", "TASK_NUMBERS", "example"]

MAX_STEPS = 15
SEPARATOR = " [SEP] "
ABOUT = (
    "The agent buys a product in a web shop after an instruction that names the product, its attributes, options and "
    "the highest price. Its actions are search[words] on the start page and click[button] on every other page."
)
SUCCESS = "the reward is 1"
GET_DATA = "Run `a3t data generate webshop`, or `a3t data import webshop FOLDER`."
TASK_NUMBERS = {"webshop_": "goal-00000"}
"""AgentGym's server numbers the original's synthetic goals in this way."""
PUBLISHED = PublishedFigures(
    test_set="500 test instructions, Mistral-7B",
    single=[45.4, 49.0, 48.0, 49.0],
    accumulated=[45.4, 51.6, 53.4, 54.8],
    reward=[72.4, 73.1, 73.0, 73.9],
    training_set=[(981, 0), (3431, 336), (5719, 694), (8550, 1122)],
    others={"ReAct": 40.0, "WebGUM": 45.0, "LATS (30 trials)": 38.0, "human average": 50.0, "human expert": 59.6},
)
"""The A³T paper, arXiv 2403.14589."""


@cache
def example() -> str:
    """A worked episode in the ReAct format."""
    return files(__package__).joinpath("example.txt").read_text(encoding="utf-8")
