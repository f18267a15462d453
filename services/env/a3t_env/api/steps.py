"""`POST /v1/steps`: one step in each of many sessions in one request."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from a3t_contracts.schemas import BatchStepReply, BatchStepRequest
from a3t_contracts.service import JsonRoute

from .deps import IncludeActions, SessionsDep, json_reply, problems
from .examples import STEPS

router = APIRouter(prefix="/v1", tags=["sessions"], route_class=JsonRoute)


@router.post("/steps", response_model=BatchStepReply, responses=problems(400, 413))
async def steps(
    request: Annotated[BatchStepRequest, Body(openapi_examples=STEPS)],
    sessions: SessionsDep,
    include_actions: IncludeActions = False,
) -> Response:
    """Carry out steps of many sessions.

    The reply has the status 200, and lists for each step its result or its problem document, in the order of the
    request. A session may occur several times if each of its steps has an index; its steps are then carried out in
    order.
    """
    results = await sessions.step_many(request.steps, include_actions)
    return json_reply(BatchStepReply.model_construct(results=results))
