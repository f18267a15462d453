"""Which practice goes with which environment."""

from __future__ import annotations

from a3t_contracts.schemas import Environment

from .household import HouseholdPractice
from .practice import Practice
from .webshop import ShopPractice

__all__ = ["practice_for"]


def practice_for(environment: Environment) -> Practice:
    """A fresh practice of an environment."""
    return ShopPractice() if environment == "webshop" else HouseholdPractice()
