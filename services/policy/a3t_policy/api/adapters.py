"""Loading and unloading adapter versions at run time, with vLLM's paths and names."""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.schemas.policy import LoadAdapter, ModelCard, ModelList

from .deps import BackendDep

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["adapters"])


@router.post("/load_lora_adapter")
async def load_lora_adapter(body: LoadAdapter, backend: BackendDep) -> ModelCard:
    """Verify a version (hashes, base, shapes), load it beside the running ones, read it back; with `make_default`
    it then serves requests that name no model. A version that fails any of it changes nothing."""
    return await backend.load(body.lora_name, body.lora_path, body.make_default)


@router.post("/unload_lora_adapter")
async def unload_lora_adapter(body: LoadAdapter, backend: BackendDep) -> ModelList:
    """Stop serving a version; requests that run on it are finished. The base serves if it was the live one."""
    await backend.unload(body.lora_name)
    return ModelList(data=backend.models())
