"""The recipes that ship."""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.schemas import RecipeInfo

from ..recipe import shipped_recipes

__all__ = ["router"]

router = APIRouter(prefix="/v1/recipes", tags=["recipes"])


@router.get("")
def recipes() -> list[RecipeInfo]:
    """Recipes that a run can be begun with by name."""
    return shipped_recipes()
