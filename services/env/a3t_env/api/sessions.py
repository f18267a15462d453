"""`/v1/sessions`: open, inspect, step and close sessions; ask for actions."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Body
from starlette.responses import Response

from a3t_contracts.access import Role, needs
from a3t_contracts.schemas import (
    ActionReply,
    ActionsReply,
    SampleRequest,
    SessionCreate,
    SessionInfo,
    StepRequest,
    StepResult,
)
from a3t_contracts.service import JsonRoute

from .deps import IncludeActions, SessionId, SessionsDep, json_reply, problems
from .examples import CREATE, SAMPLE, STEP

router = APIRouter(prefix="/v1/sessions", tags=["sessions"], route_class=JsonRoute)


@router.post("", status_code=201, response_model=SessionInfo, responses=problems(400, 404, 413, 429, 502, 503, 504))
async def create(request: Annotated[SessionCreate, Body(openapi_examples=CREATE)], sessions: SessionsDep) -> Response:
    """Open a session: start an episode of a task and return its first observation."""
    return json_reply(await sessions.create(request), 201)


@router.get("/{session_id}", response_model=SessionInfo, responses=problems(404, 410, 502, 504))
async def info(session_id: SessionId, sessions: SessionsDep, include_actions: IncludeActions = False) -> Response:
    """The present state of a session."""
    return json_reply(await sessions.info(session_id, include_actions))


@router.post("/{session_id}/step", response_model=StepResult, responses=problems(400, 404, 409, 410, 413, 502, 504))
async def step(
    session_id: SessionId,
    request: Annotated[StepRequest, Body(openapi_examples=STEP)],
    sessions: SessionsDep,
    include_actions: IncludeActions = False,
) -> Response:
    """Carry out one action. A step with an `index` may be sent again: it is carried out only once."""
    return json_reply(await sessions.step(session_id, request.action, request.index, include_actions))


@router.get("/{session_id}/actions", response_model=ActionsReply, responses=problems(404, 410, 502, 504))
async def actions(session_id: SessionId, sessions: SessionsDep) -> Response:
    """Admissible actions of the present state."""
    return json_reply(ActionsReply(actions=await sessions.actions(session_id)))


@router.post("/{session_id}/sample", response_model=ActionReply, responses=problems(400, 404, 409, 410, 413, 502, 504))
async def sample(
    session_id: SessionId, request: Annotated[SampleRequest, Body(openapi_examples=SAMPLE)], sessions: SessionsDep
) -> Response:
    """Draw one action uniformly from the action space. The same seed and state give the same action."""
    return json_reply(ActionReply(action=await sessions.sample(session_id, request)))


@router.get("/{session_id}/expert", response_model=ActionReply, responses=problems(404, 409, 410, 502, 504))
async def expert(session_id: SessionId, sessions: SessionsDep) -> Response:
    """Return the next action of the scripted expert, which sees only what the agent has seen."""
    return json_reply(ActionReply(action=await sessions.expert(session_id)))


@router.delete("/{session_id}", status_code=204, response_class=Response, responses=problems(404), **needs(Role.run))
async def close(session_id: SessionId, sessions: SessionsDep) -> Response:
    """Close a session. Closing a session that is already closed is not an error."""
    await sessions.close(session_id)
    return Response(status_code=204)
