"""`GET /v1/models`: the base and every adapter version."""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas.policy import ModelCard, ModelList

from .deps import BackendDep

__all__ = ["router"]

router = APIRouter(prefix="/v1/models", tags=["models"])


@router.get("")
async def list_models(backend: BackendDep) -> ModelList:
    """List the models that a request may name."""
    return ModelList(data=backend.models())


@router.get("/{name:path}")
async def get_model(name: str, backend: BackendDep) -> ModelCard:
    """Read one model's entry. 404 if it is not served."""
    for card in backend.models():
        if card.id == name:
            return card
    raise NotFoundError(f"No model or adapter version {name!r} is served here.", hint="`GET /v1/models` lists them.")
