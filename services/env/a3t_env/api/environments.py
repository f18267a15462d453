"""`GET /v1/environments`."""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.schemas import EnvironmentInfo

from .deps import EnvironmentsDep, problems

router = APIRouter(prefix="/v1", tags=["environments"])


@router.get("/environments", responses=problems())
def environments(environments: EnvironmentsDep) -> list[EnvironmentInfo]:
    """List the environments of this service. An environment without data has no engines and no splits."""
    return environments.infos()
