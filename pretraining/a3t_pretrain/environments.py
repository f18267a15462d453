"""The exercises and the vocabulary of each environment."""

from __future__ import annotations

from .household import HouseholdPractice
from .practice import Practice
from .settings import Environment
from .webshop import ShopPractice

__all__ = ["practice_for"]


def practice_for(environment: Environment) -> Practice:
    """Make a new practice for an environment."""
    return ShopPractice() if environment == "webshop" else HouseholdPractice()
