"""Sends each call to the server process that holds the session."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping, Sequence

from typing_extensions import override

from a3t_contracts.errors import A3TError, OverloadedError, UnavailableError
from a3t_contracts.schemas import SampleRequest, SessionCreate, SessionInfo, SessionStep, StepResult

from ..sessions.interface import Sessions, StepOutcome

__all__ = ["SessionRouter"]


class SessionRouter(Sessions):
    """The sessions of all processes. The part of a session's id before the dash is the number of its process.

    Args:
        own: number of this process.
        processes: sessions of each process by its number, those of this process included.
    """

    def __init__(self, own: int, processes: Mapping[int, Sessions]) -> None:
        self._own = own
        self._processes = {str(number): sessions for number, sessions in processes.items()}
        self._turns = itertools.count(own)

    async def create(self, request: SessionCreate) -> SessionInfo:
        """Open a session on the next process in turn that has room."""
        order = [*self._processes.values()]
        turn = next(self._turns)
        refusal: A3TError = UnavailableError("No server process answers.")
        for step in range(len(order)):
            try:
                return await order[(turn + step) % len(order)].create(request)
            except (OverloadedError, UnavailableError) as error:
                refusal = error
        raise refusal

    @override
    async def restart(self, session_id: str, request: SessionCreate) -> SessionInfo:
        return await self._of(session_id).restart(session_id, request)

    @override
    async def info(self, session_id: str, include_actions: bool = False) -> SessionInfo:
        return await self._of(session_id).info(session_id, include_actions)

    @override
    async def actions(self, session_id: str) -> list[str]:
        return await self._of(session_id).actions(session_id)

    @override
    async def sample(self, session_id: str, request: SampleRequest) -> str:
        return await self._of(session_id).sample(session_id, request)

    @override
    async def expert(self, session_id: str) -> str:
        return await self._of(session_id).expert(session_id)

    @override
    async def step(
        self, session_id: str, action: str, index: int | None = None, include_actions: bool = False
    ) -> StepResult:
        return await self._of(session_id).step(session_id, action, index, include_actions)

    async def step_many(self, steps: Sequence[SessionStep], include_actions: bool = False) -> list[StepOutcome]:
        """Carry out the steps in their processes at the same time. The results are in the order of the request."""
        parts: dict[str, list[int]] = {}
        for place, step in enumerate(steps):
            parts.setdefault(self._key(step.session_id), []).append(place)
        results: list[StepOutcome | None] = [None] * len(steps)

        async def make(key: str, places: list[int]) -> None:
            made = await self._part(self._processes[key], [steps[place] for place in places], include_actions)
            for place, result in zip(places, made, strict=True):
                results[place] = result

        await asyncio.gather(*(make(key, places) for key, places in parts.items()))
        return [result for result in results if result is not None]

    @override
    async def close(self, session_id: str) -> None:
        await self._of(session_id).close(session_id)

    def _key(self, session_id: str) -> str:
        """The number of a session's process. For an id without one it is the number of this process, which refuses the
        id.
        """
        key = session_id.partition("-")[0]
        return key if key in self._processes else str(self._own)

    def _of(self, session_id: str) -> Sessions:
        return self._processes[self._key(session_id)]

    async def _part(self, process: Sessions, steps: list[SessionStep], include_actions: bool) -> Sequence[StepOutcome]:
        try:
            return await process.step_many(steps, include_actions)
        except A3TError as error:
            return [error.problem()] * len(steps)
