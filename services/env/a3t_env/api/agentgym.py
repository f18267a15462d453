"""AgentGym's client protocol for every environment: create, reset, step, observation, available_actions, close.

Each of AgentGym's clients was written for its own server, and the servers name the same fields differently. Here
requests may use any of the names, and replies have all of them. Only `create` has two forms of reply, so there are two
URL prefixes. The environment id that a client gets is the id of a session; `reset` starts another episode under it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import SessionInfo
from a3t_contracts.schemas.base import MAX_INT
from a3t_contracts.service import JsonRoute

from ..sessions.interface import Sessions
from .deps import EnvironmentsDep, SessionsDep, problems
from .numbers import Place, start_of

__all__ = ["routers"]

Number = Annotated[int | None, Field(ge=0, le=MAX_INT)]
_NUMBERS = ("data_idx", "game", "session_id", "item_id", "idx", "seed")
"""The names under which AgentGym's clients send the number of a task. One client sends `idx`, and a `seed` that is
always 0.
"""
_ID = "Id that `create` gave, as `id` or `env_idx`"
Asked = Annotated[str | None, Query(description=_ID)]


class Created(BaseModel):
    """The body of `create`. Fields that only one of AgentGym's servers reads are ignored."""

    model_config = ConfigDict(extra="ignore")
    id: Number = Field(None, description="Number of the first task; default: 0")


class Of(BaseModel):
    """The fields of a body that name the environment."""

    model_config = ConfigDict(extra="ignore")
    id: str | Number = Field(None, description=_ID)
    env_idx: str | None = Field(None, description=_ID)

    @property
    def session(self) -> str:
        """The session's id. Raises InvalidInputError."""
        return _session(self.id if self.env_idx is None else self.env_idx)


class Reset(Of):
    """The body of `reset`."""

    data_idx: Number = Field(None, description="Number of the task")
    game: Number = Field(None, description="The same under another name")
    session_id: Number = Field(None, description="The same under another name")
    item_id: Number = Field(None, description="The same under another name")
    idx: Number = Field(None, description="The same under another name")
    seed: Number = Field(None, description="The same under another name")

    @property
    def number(self) -> int:
        """The task's number; 0 if none is given. Clients that name the environment with `env_idx` may send the number
        as `id`.
        """
        named = self.id if self.env_idx is not None and isinstance(self.id, int) else None
        given = (*(getattr(self, name) for name in _NUMBERS), named)
        return next((number for number in given if number is not None), 0)


class Action(Of):
    """The body of `step`."""

    action: str = Field(max_length=4096, description="Action in the words of the environment")


class State(BaseModel):
    """What a client sees of an environment."""

    id: str = Field(description="Id of the environment")
    env_idx: str = Field(description="The same under another name")
    observation: str = Field(description="What the agent sees")
    state: str = Field(description="The same under another name")
    reward: float = Field(description="Reward of the step")
    score: float = Field(description="Sum of the rewards so far")
    done: bool = Field(description="Whether the episode has ended")
    terminated: bool = Field(description="The same under another name")
    task_type: str = Field(description="Type of the task")
    task_description: str = Field(description="The task in words, empty where only the first observation says it")
    available_actions: list[str] | None = Field(
        None, description="Admissible actions, where the environment lists them"
    )


class Actions(BaseModel):
    """The actions that are admissible now."""

    available_actions: list[str] = Field(description="Admissible actions")
    clickables: list[str] = Field(description="The same under another name")


_STATE: dict[str, Any] = {"response_model": State, "response_model_exclude_none": True}


def routers() -> Iterator[APIRouter]:
    """The routes for clients that read `create` as an object, and those for clients that read a bare id."""
    for prefix, bare in (("/agentgym", False), ("/agentgym-env-idx", True)):
        router = APIRouter(prefix=f"{prefix}/{{place}}", tags=["AgentGym"], route_class=JsonRoute)
        _add_starts(router, bare)
        _add_steps(router)
        yield router


def _add_starts(router: APIRouter, bare: bool) -> None:
    made = {"response_model": str} if bare else _STATE

    @router.post("/create", responses=problems(400, 404, 413, 429, 502, 503, 504), **made)
    async def create(
        place: Place, sessions: SessionsDep, environments: EnvironmentsDep, body: Created | None = None
    ) -> str | State:
        """Make an environment, which is a session here, and start its first task. `reset` starts other tasks."""
        number = body.id if body is not None and body.id is not None else 0
        info = await sessions.create(await start_of(environments, place, number))
        return info.id if bare else await _begun(sessions, info.id)

    @router.post("/reset", responses=problems(400, 404, 409, 413, 429, 502, 503, 504), **_STATE)
    async def reset(place: Place, body: Reset, sessions: SessionsDep, environments: EnvironmentsDep) -> State:
        """Begin an episode of the task with this number. This also revives an environment that failed or was reaped."""
        request = await start_of(environments, place, body.number)
        return await _begun(sessions, (await sessions.restart(body.session, request)).id)


def _add_steps(router: APIRouter) -> None:
    @router.post("/step", responses=problems(400, 404, 409, 410, 413, 502, 504), **_STATE)
    async def step(place: Place, body: Action, sessions: SessionsDep) -> State:
        """Do one action."""
        result = await sessions.step(body.session, body.action, include_actions=True)
        return _state(await sessions.info(body.session), result.reward, result.actions)

    @router.get("/observation", responses=problems(404, 410, 502, 504))
    async def observation(place: Place, sessions: SessionsDep, id: Asked = None, env_idx: Asked = None) -> str:
        """The last observation."""
        return (await sessions.info(_session(id or env_idx))).observation

    @router.get("/available_actions", responses=problems(404, 410, 502, 504))
    async def available_actions(
        place: Place, sessions: SessionsDep, id: Asked = None, env_idx: Asked = None
    ) -> Actions:
        """Admissible actions of the present state."""
        actions = await sessions.actions(_session(id or env_idx))
        return Actions(available_actions=actions, clickables=actions)

    @router.post("/close", responses=problems(400, 404, 413))
    async def close(place: Place, body: Of, sessions: SessionsDep) -> bool:
        """Close the environment. Closing it again is not an error."""
        await sessions.close(body.session)
        return True


def _session(given: str | int | None) -> str:
    """The session's id. Raises InvalidInputError."""
    if given is None:
        raise InvalidInputError("Neither `id` nor `env_idx` is given.", hint="Send the id that `create` answered.")
    return str(given)


async def _begun(sessions: Sessions, session_id: str) -> State:
    info = await sessions.info(session_id, include_actions=True)
    return _state(info, 0.0, info.actions)


def _state(info: SessionInfo, reward: float, actions: list[str] | None) -> State:
    return State(
        id=info.id,
        env_idx=info.id,
        observation=info.observation,
        state=info.observation,
        reward=reward,
        score=info.reward,
        done=info.done,
        terminated=info.done,
        task_type=info.task.type,
        task_description=info.task.instruction or "",
        available_actions=actions,
    )
