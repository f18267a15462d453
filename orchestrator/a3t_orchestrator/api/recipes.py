"""Route that lists the recipes that ship with the orchestrator."""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.schemas import RecipeInfo

from ..recipe import shipped_recipes

__all__ = ["router"]

router = APIRouter(prefix="/v1/recipes", tags=["recipes"])


@router.get("")
def recipes() -> list[RecipeInfo]:
    """List the recipes that ship with the orchestrator. A run can be begun with their names."""
    return shipped_recipes()
