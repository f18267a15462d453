"""OpenEnv's client protocol for every environment: one connection to `/openenv/NAME/ws` plays one episode at a time."""

from __future__ import annotations

import random
from contextlib import suppress
from typing import Any

from fastapi import APIRouter, WebSocket
from pydantic import BaseModel, Field
from starlette.websockets import WebSocketDisconnect

from a3t_contracts import __version__
from a3t_contracts.errors import A3TError, ConflictError, NotFoundError
from a3t_contracts.schemas import SessionCreate
from a3t_contracts.service import JsonRoute

from ..environments import Environments
from ..sessions.interface import Sessions
from . import openenv_messages as messages
from .deps import EnvironmentsDep, problems
from .numbers import Place, start_of, tasks_of

__all__ = ["router"]

router = APIRouter(prefix="/openenv/{place}", tags=["OpenEnv"], route_class=JsonRoute)


class Schemas(BaseModel):
    """JSON schemas of the messages on the socket."""

    action: dict[str, Any] = Field(description="Schema of an action")
    observation: dict[str, Any] = Field(description="Schema of an observation")
    state: dict[str, Any] = Field(description="Schema of the state")


class Metadata(BaseModel):
    """The description of an environment."""

    name: str = Field(description="Name of the environment")
    description: str = Field(description="What the agent does there")
    version: str = Field(description="Version of the service")


@router.get("/schema", responses=problems())
async def schema(place: Place) -> Schemas:
    """Schemas of actions, observations and states: the same for every environment."""
    return Schemas(
        action=messages.TextAction.model_json_schema(),
        observation=messages.Observation.model_json_schema(),
        state=messages.State.model_json_schema(),
    )


@router.get("/metadata", responses=problems(404, 503))
def metadata(place: Place, environments: EnvironmentsDep) -> Metadata:
    """Name and description of the environment."""
    info = environments.get(place.partition(":")[0]).info()
    return Metadata(name=info.name, description=info.about, version=__version__)


@router.websocket("/ws")
async def socket(websocket: WebSocket, place: Place) -> None:
    """Play episodes. `reset` and `step` are answered by `observation`, `state` by `state`, and a failed message by
    `error`.
    """
    state = websocket.app.state
    connection = _Connection(place, state.environments, state.sessions)
    await websocket.accept()
    try:
        while (message := await websocket.receive())["type"] == "websocket.receive":
            text = message.get("text")
            reply = await connection.answer(message["bytes"] if text is None else text)
            if reply is None:
                break
            await websocket.send_text(reply)
        if message["type"] == "websocket.receive":
            await websocket.close()
    except WebSocketDisconnect:
        return
    finally:
        await connection.leave()


class _Connection:
    """The episodes of one connection; each is a session while it lasts."""

    def __init__(self, place: str, environments: Environments, sessions: Sessions) -> None:
        self._place, self._environments, self._sessions = place, environments, sessions
        self._session: str | None = None

    async def answer(self, message: str | bytes) -> str | None:
        """The reply to a message; None ends the connection."""
        try:
            wanted = messages.read(message)
            if isinstance(wanted, messages.Reset):
                return await self._reset(wanted.data)
            if isinstance(wanted, messages.Step):
                return await self._step(wanted.data.action)
            return None if isinstance(wanted, messages.Close) else await self._state()
        except (messages.MessageError, A3TError) as error:
            return messages.error(error)

    async def leave(self) -> None:
        """Close the session."""
        session, self._session = self._session, None
        if session is not None:
            with suppress(NotFoundError):  # closed so long ago that the service has forgotten it
                await self._sessions.close(session)

    async def _reset(self, data: messages.ResetData) -> str:
        request = await self._request(data)
        await self.leave()
        begun = await self._sessions.create(request)
        self._session = begun.id
        seen = messages.Observation(text=begun.observation, actions=begun.actions, success=begun.success)
        return messages.answer(seen, None, begun.done)

    async def _request(self, data: messages.ResetData) -> SessionCreate:
        name, _, split = self._place.partition(":")
        split = data.split or split
        place = f"{name}:{split}" if split else name
        if data.task_id is not None:
            request = SessionCreate(environment=name, task_id=data.task_id)
        else:
            request = await start_of(self._environments, place, await self._number(place, data))
        more = {"seed": data.seed or 0, "options": data.options, "include_actions": True}
        return request.model_copy(update=more)

    async def _number(self, place: str, data: messages.ResetData) -> int:
        """The number of the task: the number given, the one drawn by the seed given, or a random one."""
        if data.index is not None:
            return data.index
        count = len(await tasks_of(self._environments, place))
        return (random.getrandbits(64) if data.seed is None else data.seed) % max(count, 1)

    async def _step(self, action: str) -> str:
        if self._session is None:
            raise ConflictError("There is no episode yet.", hint="Send a reset first.")
        result = await self._sessions.step(self._session, action)
        seen = messages.Observation(
            text=result.observation, actions=result.actions, success=result.success, valid=result.valid
        )
        return messages.answer(seen, result.reward, result.done)

    async def _state(self) -> str:
        if self._session is None:
            return messages.state(messages.State())
        return messages.state(messages.State.of(await self._sessions.info(self._session)))
