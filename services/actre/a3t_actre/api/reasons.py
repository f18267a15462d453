"""`/v1/reasons`: reasons for actions that were already chosen."""

from __future__ import annotations

from fastapi import APIRouter

from a3t_contracts.schemas import ReasonsReply, ReasonsRequest
from a3t_contracts.service import JsonRoute

from .deps import DeskDep

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["reasons"], route_class=JsonRoute)


@router.post("/reasons")
async def reasons(request: ReasonsRequest, desk: DeskDep) -> ReasonsReply:
    """Write the reason of each action, in the order of the request."""
    return ReasonsReply(results=await desk.answer(request.queries, request.annotator))
