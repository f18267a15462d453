"""Maps an environment to its exercises and vocabulary."""

from __future__ import annotations

from .household import HouseholdPractice
from .practice import Practice
from .settings import Environment
from .webshop import ShopPractice

__all__ = ["practice_for"]


def practice_for(environment: Environment) -> Practice:
    """A fresh practice of an environment."""
    return ShopPractice() if environment == "webshop" else HouseholdPractice()
