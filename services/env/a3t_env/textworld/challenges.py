"""The challenges of the textworld package from which games are generated, with settings for short episodes."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

__all__ = ["CHALLENGES", "HELDOUT_SPLIT", "TRAIN_SPLIT", "draw_settings"]

TRAIN_SPLIT, HELDOUT_SPLIT = "train", "heldout"

Settings = dict[str, Any]
"""The arguments of a challenge's `make`; see the docstrings of `textworld.challenges`."""


def draw_settings(challenge: str, split: str, seed: int) -> Settings:
    """Draw the settings of one game by its seed."""
    return CHALLENGES[challenge](random.Random(seed), split)


def _coin_collector(rng: random.Random, _: str) -> Settings:
    """Two to five rooms in a row, in half of the games with a dead end beside each."""
    return {"level": rng.choice((0, 100)) + rng.randint(2, 5)}


def _treasure_hunter(rng: random.Random, _: str) -> Settings:
    """Five rooms without doors, or ten with doors and containers; up to five actions to the object."""
    return {"level": rng.choice((*range(2, 11), *range(11, 15)))}


def _cooking(rng: random.Random, split: str) -> Settings:
    """One or two ingredients to find in the kitchen, and to cut or to cook. No training game has a recipe of a
    held-out game.
    """
    ingredients = rng.randint(1, 2)
    return {
        "recipe": ingredients,
        "take": rng.randint(1, ingredients),
        "go": 1,
        "open": rng.random() < 0.5,
        "cook": rng.random() < 0.5,
        "cut": rng.random() < 0.5,
        "drop": False,
        "split": "train" if split == TRAIN_SPLIT else "test",
        "recipe_seed": rng.randrange(1, 2**31),
    }


CHALLENGES: dict[str, Callable[[random.Random, str], Settings]] = {
    "coin_collector": _coin_collector,
    "treasure_hunter": _treasure_hunter,
    "cooking": _cooking,
}
"""Task type → function that draws the settings of a game."""
