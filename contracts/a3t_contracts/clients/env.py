"""Client of the env service."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

from pydantic import TypeAdapter

from ..schemas.environment import (
    ActionReply,
    ActionsReply,
    BatchStepReply,
    BatchStepRequest,
    EnvironmentInfo,
    HindsightReply,
    HindsightRequest,
    ReachedTask,
    SampleRequest,
    SessionCreate,
    SessionInfo,
    SessionStep,
    StepRequest,
    StepResult,
    Task,
    TaskPage,
)
from .base import ServiceClient

__all__ = ["EnvClient"]

_INFOS = TypeAdapter(list[EnvironmentInfo])


class EnvClient(ServiceClient):
    """Calls the env service: its environments, their tasks, and its sessions. One episode runs in each session."""

    service = "env"

    async def environments(self) -> list[EnvironmentInfo]:
        """List the environments that the service offers, with their engines, splits and step limits."""
        reply = await self._send("GET", "/v1/environments")
        return _INFOS.validate_json(reply.content)

    async def tasks(
        self,
        environment: str,
        split: str | None = None,
        type: str | None = None,
        offset: int = 0,
        limit: int = 1000,
    ) -> TaskPage:
        """Fetch one page of an environment's tasks, in a fixed order.

        Args:
            environment: name of the environment.
            split: only tasks of this split; None takes all.
            type: only tasks of this type; None takes all.
            offset: number of matching tasks to skip.
            limit: largest number of tasks on the page.
        """
        params = {"environment": environment, "split": split, "type": type, "offset": offset, "limit": limit}
        return await self._call(TaskPage, "GET", "/v1/tasks", params=params)

    async def all_tasks(self, environment: str, split: str | None = None, limit: int = 1000) -> list[Task]:
        """Fetch all pages of an environment's tasks, `limit` tasks on each page."""
        tasks: list[Task] = []
        offset: int | None = 0
        while offset is not None:
            page = await self.tasks(environment, split, offset=offset, limit=limit)
            tasks += page.tasks
            offset = page.next_offset
        return tasks

    async def create(self, request: SessionCreate) -> SessionInfo:
        """Open a session and start its episode. Safe to repeat: the service closes a session that nobody uses after its
        idle time."""
        return await self._call(SessionInfo, "POST", "/v1/sessions", request, idempotent=True)

    async def session(self, session_id: str) -> SessionInfo:
        """Read the present state of a session. Raises NotFoundError or GoneError where it is not open."""
        return await self._call(SessionInfo, "GET", _path(session_id))

    async def step(
        self, session_id: str, action: str, index: int | None = None, include_actions: bool = False
    ) -> StepResult:
        """Carry out an action in a session.

        Args:
            session_id: id of the session.
            action: action in the words of the environment.
            index: number of this step, from 0. With it the call is repeated after a lost reply without a second step;
                without it (None) the call is made once.
            include_actions: whether the reply lists the admissible actions.
        """
        return await self._call(
            StepResult,
            "POST",
            _path(session_id, "step"),
            StepRequest(action=action, index=index),
            params={"include_actions": "true"} if include_actions else None,
            idempotent=index is not None,
        )

    async def step_many(self, steps: Sequence[SessionStep], include_actions: bool = False) -> BatchStepReply:
        """Carry out one step in each of many sessions, with one result or problem document per step, in order.

        The call is repeated after a lost reply where every step carries its index.
        """
        return await self._call(
            BatchStepReply,
            "POST",
            "/v1/steps",
            BatchStepRequest(steps=list(steps)),
            params={"include_actions": "true"} if include_actions else None,
            idempotent=all(s.index is not None for s in steps),
        )

    async def actions(self, session_id: str) -> list[str]:
        """List the admissible actions of a session's present state, in the order of the environment."""
        return (await self._call(ActionsReply, "GET", _path(session_id, "actions"))).actions

    async def sample(self, session_id: str, request: SampleRequest) -> str:
        """Draw an action from the action space of the session's present state."""
        reply = await self._call(ActionReply, "POST", _path(session_id, "sample"), request, idempotent=True)
        return reply.action

    async def expert(self, session_id: str) -> str:
        """Ask the scripted expert for the next action. The expert sees only what the agent has seen."""
        return (await self._call(ActionReply, "GET", _path(session_id, "expert"))).action

    async def hindsight(self, request: HindsightRequest) -> list[ReachedTask]:
        """The other tasks that an episode has solved, the one that asks for most first. Raises InvalidInputError where
        the environment cannot tell."""
        return (await self._call(HindsightReply, "POST", "/v1/hindsight", request, idempotent=True)).reached

    async def close(self, session_id: str) -> None:
        """Close a session. Closing one that is closed already is no error."""
        await self._send("DELETE", _path(session_id))


def _path(session_id: str, tail: str = "") -> str:
    return f"/v1/sessions/{quote(session_id, safe='')}" + (f"/{tail}" if tail else "")
