"""Pages of adapter versions: how each was trained, its scores, and which one is live."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.responses import Response

from a3t_contracts.access import Role, needs
from a3t_contracts.errors import A3TError
from a3t_contracts.schemas.adapter import AdapterManifest, LivePointer

from ...settings import OrchestratorSettings
from ..guard import page_router
from ..page import PageDep
from ..services import policy_replicas, trainer

__all__ = ["router"]

router = page_router("/adapters")


@router.get("")
async def adapters_page(page: PageDep, request: Request) -> Response:
    """Show all versions by run, the newest first, and which version each policy replica serves."""
    settings: OrchestratorSettings = request.app.state.settings
    (manifests, live, trouble), replicas = await asyncio.gather(_registry(settings), policy_replicas(settings))
    runs: dict[str, list[AdapterManifest]] = {}
    for manifest in sorted(manifests, key=lambda m: m.created_at, reverse=True):
        runs.setdefault(manifest.run, []).append(manifest)
    return page.render("adapters.html", runs=runs, live=live, replicas=replicas, trouble=trouble)


@router.get("/{version}")
async def adapter_page(page: PageDep, request: Request, version: str) -> Response:
    """Show one version."""
    async with trainer(request.app.state.settings) as client:
        manifest, everything, live = await asyncio.gather(client.adapter(version), client.adapters(), client.live())
    return page.render("adapter.html", m=manifest, lineage=_lineage(manifest, everything), live=live)


@router.post("/{version}/promote", **needs(Role.admin))
async def promote(page: PageDep, request: Request, version: str) -> Response:
    """Make a version live."""
    try:
        async with trainer(request.app.state.settings) as client:
            live = await client.promote(version)
    except A3TError as error:
        return page.redirect("/adapters", str(error), "bad")
    return page.redirect("/adapters", f"{live.version} is live. Policy replicas follow within seconds.")


@router.post("/rollback", **needs(Role.admin))
async def rollback(page: PageDep, request: Request, version: Annotated[str, Form()]) -> Response:
    """Go back from this version to the one that was live before it. Nothing happens if it is no longer live."""
    try:
        async with trainer(request.app.state.settings) as client:
            live = await client.rollback(version)
    except A3TError as error:
        return page.redirect("/adapters", str(error), "bad")
    return page.redirect("/adapters", f"{live.version or 'The base model'} is live again.")


async def _registry(settings: OrchestratorSettings) -> tuple[list[AdapterManifest], LivePointer, str]:
    try:
        async with trainer(settings) as client:
            manifests, live = await asyncio.gather(client.adapters(), client.live())
    except A3TError as error:
        return [], LivePointer(version=None, history=[], updated_at=None), str(error)
    return manifests, live, ""


def _lineage(manifest: AdapterManifest, everything: list[AdapterManifest]) -> list[Any]:
    """Return the chain of versions that its training started from, the oldest first."""
    known = {m.version: m for m in everything}
    found: list[AdapterManifest] = []
    parent = manifest.parent
    while parent in known and all(m.version != parent for m in found):
        found.insert(0, known[parent])
        parent = known[parent].parent
    return found
