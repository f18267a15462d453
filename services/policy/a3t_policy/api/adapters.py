"""Loads and unloads adapter versions at run time, with the paths and field names of vLLM, and says which version is
live.
"""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.access import Role, needs
from a3t_contracts.schemas.policy import LiveState, LoadAdapter, ModelCard, ModelList
from a3t_contracts.service import JsonRoute

from .deps import BackendDep

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["adapters"], route_class=JsonRoute)


@router.post("/load_lora_adapter", **needs(Role.admin))
async def load_lora_adapter(body: LoadAdapter, backend: BackendDep) -> ModelCard:
    """Verify a version (hashes, base, shapes), load it beside the others and read it back.

    With `make_default`, the registry's pointer is then moved to the version, which goes live on every replica: it
    serves the requests that name no model. If any step fails, nothing changes.
    """
    return await backend.load(body.lora_name, body.lora_path, body.make_default)


@router.post("/unload_lora_adapter", **needs(Role.admin))
async def unload_lora_adapter(body: LoadAdapter, backend: BackendDep) -> ModelList:
    """Stop serving a version. Requests that use it are finished first. Unloading the live version is refused:
    promote another one first.
    """
    await backend.unload(body.lora_name)
    return ModelList(data=backend.models())


@router.get("/live")
async def live(backend: BackendDep) -> LiveState:
    """Return the live version, the version that the registry's pointer names, and, if they differ, why."""
    return backend.live_state()


@router.post("/live")
async def follow(backend: BackendDep) -> LiveState:
    """Read the registry's pointer now, without waiting for the next read (every `A3T_POLICY_WATCH_REGISTRY`
    seconds).
    """
    return await backend.follow()
