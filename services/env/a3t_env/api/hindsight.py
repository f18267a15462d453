"""`POST /v1/hindsight`: which other tasks has a finished episode solved?"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import HindsightReply, HindsightRequest
from a3t_contracts.service import JsonRoute

from ..protocol import Hindsight
from .deps import EnvironmentsDep, json_reply, problems
from .examples import HINDSIGHT

router = APIRouter(prefix="/v1", tags=["tasks"], route_class=JsonRoute)


@router.post("/hindsight", response_model=HindsightReply, responses=problems(400, 404, 413, 503))
def hindsight(
    request: Annotated[HindsightRequest, Body(openapi_examples=HINDSIGHT)], environments: EnvironmentsDep
) -> Response:
    """Other tasks in the world of the task that was played, which the episode's actions solve."""
    environment = environments.get(request.environment)
    if not isinstance(environment, Hindsight):
        raise InvalidInputError(
            f"{request.environment} cannot tell which other tasks an episode has solved.",
            hint="`hindsight` in GET /v1/environments says which environments can.",
        )
    found = environment.hindsight(request.task_id, request.actions, request.seed, options=request.options)
    return json_reply(HindsightReply(reached=list(found)))
