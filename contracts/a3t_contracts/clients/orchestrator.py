"""Client of the orchestrator service: runs, their progress and events, and episodes that were given up."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from pydantic import TypeAdapter

from ..schemas.listing import TrajectoryPage
from ..schemas.run import (
    Failure,
    FailurePage,
    RecipeInfo,
    RunCreate,
    RunDeleted,
    RunEvent,
    RunInfo,
    RunProgress,
    RunResume,
)
from ..schemas.trajectory import Trajectory
from .base import ServiceClient

__all__ = ["OrchestratorClient", "RunNews"]

_SILENCE_SECONDS = 60.0
"""Seconds without a byte after which a stream counts as broken: four heartbeats of the service."""
_RUNS = TypeAdapter(list[RunInfo])
_EVENTS = TypeAdapter(list[RunEvent])
_RECIPES = TypeAdapter(list[RecipeInfo])


@dataclass(frozen=True, slots=True)
class RunNews:
    """One message of a run's stream: an event, the progress, or the state of the run. `ended` is true in the last
    message of a run that has ended."""

    event: RunEvent | None = None
    progress: RunProgress | None = None
    run: RunInfo | None = None
    ended: bool = False


class OrchestratorClient(ServiceClient):
    """Begins, follows and changes runs over HTTP."""

    service = "orchestrator"

    async def runs(self, limit: int = 100) -> list[RunInfo]:
        """List at most `limit` runs, the newest first."""
        return _RUNS.validate_json((await self._send("GET", "/v1/runs", params={"limit": limit})).content)

    async def run(self, name: str) -> RunInfo:
        """Read one run. Raises NotFoundError."""
        return await self._call(RunInfo, "GET", _path(name))

    async def begin(self, request: RunCreate, key: str | None = None) -> RunInfo:
        """Begin a run. The call is safe to repeat if the request has a name, or if `key`, an idempotency key, is used
        for this request only."""
        repeatable = key is not None or request.name is not None
        reply = await self._send(
            "POST",
            "/v1/runs",
            request,
            headers={"Idempotency-Key": key} if key else None,
            idempotent=repeatable,
            timeout=120.0,
        )
        return RunInfo.model_validate_json(reply.content)

    async def pause(self, name: str) -> RunInfo:
        """Pause a run: no further work of it is sent."""
        return await self._call(RunInfo, "POST", _path(name, "pause"), idempotent=True)

    async def resume(self, name: str, rounds: int | None = None) -> RunInfo:
        """Continue a run. `rounds`: new number of rounds after round 0, more than the run has; None keeps it."""
        return await self._call(RunInfo, "POST", _path(name, "resume"), RunResume(rounds=rounds), idempotent=True)

    async def cancel(self, name: str) -> RunInfo:
        """Cancel a run."""
        return await self._call(RunInfo, "POST", _path(name, "cancel"), idempotent=True)

    async def delete(self, name: str) -> RunDeleted:
        """Delete a run with its trajectories. Raises ConflictError for a run that is under way."""
        return await self._call(RunDeleted, "DELETE", _path(name), timeout=600.0)

    async def report(self, name: str) -> dict[str, Any]:
        """Read the report of a run: all figures of `a3t report`, as JSON values."""
        return dict((await self._send("GET", _path(name, "report"), timeout=600.0)).json())

    async def progress(self, name: str) -> RunProgress:
        """Read how much of the current phase is done."""
        return await self._call(RunProgress, "GET", _path(name, "progress"))

    async def events(self, name: str, after: int = 0, limit: int = 200) -> list[RunEvent]:
        """List at most `limit` events with an id above `after`, in order."""
        reply = await self._send("GET", _path(name, "events"), params={"after": after, "limit": limit})
        return _EVENTS.validate_json(reply.content)

    async def trajectories(self, run: str, limit: int = 100) -> list[Trajectory]:
        """Read at most `limit` trajectories of a run, with their steps."""
        params = {"run": run, "limit": limit}
        listed = (await self._send("GET", "/v1/trajectories", params=params)).json()["trajectories"]
        return [await self._call(Trajectory, "GET", f"/v1/trajectories/{row['id']}") for row in listed]

    async def trajectory(self, trajectory_id: str) -> Trajectory:
        """Read a trajectory with its steps, by its id or the beginning of its id. Raises NotFoundError."""
        return await self._call(Trajectory, "GET", f"/v1/trajectories/{quote(trajectory_id, safe='')}")

    async def trajectory_page(self, **query: Any) -> TrajectoryPage:
        """Read one page of a list of trajectories; the arguments are those of `GET /v1/trajectories`."""
        return await self._call(TrajectoryPage, "GET", "/v1/trajectories", params=query)

    async def export(self, run: str, **query: Any) -> AsyncIterator[str]:
        """Yield the rows of `GET /v1/runs/{run}/export`, each as a line of JSON; the arguments are those of the
        route."""
        given = {name: value for name, value in query.items() if value is not None}
        async for line in self._lines(_path(run, "export"), given):
            if line:
                yield line

    async def recipes(self) -> list[RecipeInfo]:
        """List the recipes that ship with the service. A run can be begun with their names."""
        return _RECIPES.validate_json((await self._send("GET", "/v1/recipes")).content)

    async def failures(self, run: str | None = None, limit: int = 100, offset: int = 0) -> FailurePage:
        """List episodes that were given up, the newest first."""
        params = {"run": run, "limit": limit, "offset": offset}
        return await self._call(FailurePage, "GET", "/v1/failures", params=params)

    async def retry_failure(self, failure: str) -> Failure:
        """Put an episode that was given up back on the work list."""
        return await self._call(Failure, "POST", f"/v1/failures/{quote(failure, safe='')}/retry")

    async def drop_failure(self, failure: str) -> Failure:
        """Drop an episode that was given up: it is never played again."""
        return await self._call(Failure, "DELETE", f"/v1/failures/{quote(failure, safe='')}")

    async def follow(self, name: str, after: int = 0) -> AsyncIterator[RunNews]:
        """Yield events, progress and state of a run as they come, from the event after number `after`, until the run
        has ended or the service stops. Where the service stopped, `ended` of the last message is false; call this again
        to continue. Raises UnavailableError where the connection breaks."""
        kind, data = "message", ""
        params = {"stream": "true", "after": after}
        async for line in self._lines(_path(name, "events"), params, _SILENCE_SECONDS):
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data = line.removeprefix("data: ")
            elif not line and data:
                yield _news(kind, data)
                kind, data = "message", ""


def _news(kind: str, data: str) -> RunNews:
    if kind == "progress":
        return RunNews(progress=RunProgress.model_validate_json(data))
    if kind in ("run", "end"):
        return RunNews(run=RunInfo.model_validate_json(data), ended=kind == "end")
    return RunNews(event=RunEvent.model_validate_json(data))


def _path(run: str, tail: str = "") -> str:
    return f"/v1/runs/{quote(run, safe='')}" + (f"/{tail}" if tail else "")
