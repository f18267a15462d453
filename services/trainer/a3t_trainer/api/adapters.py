"""`/v1/adapters` and `/v1/registry`: adapter versions, and which of them is live."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from a3t_contracts.access import Role, needs
from a3t_contracts.schemas import MAX_INT
from a3t_contracts.schemas.adapter import AdapterManifest, AdapterPush, GarbageReport, LivePointer, PushResult, RollBack
from a3t_contracts.service import JsonRoute

from ..registry import garbage, hub
from ..registry import live as pointer
from .deps import State

router = APIRouter(prefix="/v1", tags=["adapters"], route_class=JsonRoute)


@router.get("/adapters")
def list_adapters(state: State) -> list[AdapterManifest]:
    """List the manifests of all complete versions, the oldest first."""
    reader = state.settings.reader()
    return [reader.manifest(version) for version in reader.versions()]


@router.get("/adapters/{version}")
def get_adapter(version: str, state: State) -> AdapterManifest:
    """Return the manifest of a version."""
    return state.settings.reader().manifest(version)


@router.post("/adapters/{version}/verify")
def verify(version: str, state: State) -> AdapterManifest:
    """Compare every file with the manifest. If one differs, the reply is 422 and names the file."""
    return state.settings.reader().fetch(version)[1]


@router.post("/adapters/{version}/promote", **needs(Role.admin))
def promote(version: str, state: State) -> LivePointer:
    """Verify a version and make it live on every policy replica. Doing it again changes nothing."""
    return pointer.promote(state.settings.reader(), version)


@router.post("/adapters/{version}/push", **needs(Role.admin))
def push(version: str, body: AdapterPush, state: State) -> PushResult:
    """Verify a version and push it to the Hugging Face Hub."""
    url = hub.push(state.settings.reader(), version, body.repository, private=body.private)
    return PushResult(version=version, url=url)


@router.get("/registry/live")
def live(state: State) -> LivePointer:
    """Return the live version, which serves requests that name none, and the versions that were live before."""
    return pointer.live(state.settings.registry_url)


@router.delete("/registry/live")
def demote(state: State) -> LivePointer:
    """Make the base model live. Doing it again changes nothing. A rollback makes the earlier version live again."""
    return pointer.demote(state.settings.registry_url)


@router.post("/registry/rollback", **needs(Role.admin))
def rollback(state: State, body: RollBack | None = None) -> LivePointer:
    """Make the previous live version live again; 409 if there is none. A request with `version` may be repeated: it
    does nothing if that version is no longer live.
    """
    return pointer.rollback(state.settings.reader(), body.version if body else None)


@router.post("/registry/gc", **needs(Role.admin))
def collect_garbage(
    state: State,
    keep: Annotated[int, Query(ge=1, le=MAX_INT, description="Versions of each run to keep, the newest first")] = 3,
    dry_run: Annotated[bool, Query(description="Only report what would be removed")] = False,
) -> GarbageReport:
    """Remove all but the newest `keep` versions of each run. The live version, the one before it and the parents of
    kept versions stay."""
    return garbage.collect_garbage(state.settings.registry_url, keep, dry_run=dry_run)
