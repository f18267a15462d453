"""The parts of a client: runs, trajectories, adapter versions and environments."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Generic, TypeVar

from a3t_contracts.clients import EnvClient, OrchestratorClient, ServiceClient, TrainerClient
from a3t_contracts.errors import NotFoundError
from a3t_contracts.schemas import (
    AdapterManifest,
    EnvironmentInfo,
    LivePointer,
    RunCreate,
    RunEvent,
    RunInfo,
    RunProgress,
    Task,
    Trajectory,
    TrajectoryInfo,
)

from .background import Background
from .frames import FrameLibrary, frame_of

__all__ = ["Adapters", "Environments", "Runs", "Trajectories"]

ClientT = TypeVar("ClientT", bound=ServiceClient)


class _Part(Generic[ClientT]):
    def __init__(self, background: Background, service: Callable[[], ClientT]) -> None:
        self._background = background
        self._service = service


class Runs(_Part[OrchestratorClient]):
    """Runs: list them, begin them, follow them, stop them."""

    def list(self, limit: int = 100) -> list[RunInfo]:
        """List at most `limit` runs, the newest first."""
        return self._background.wait(self._service().runs(limit))

    def get(self, name: str) -> RunInfo:
        """Read one run. Raises NotFoundError where there is none of that name."""
        return self._background.wait(self._service().run(name))

    def start(
        self,
        recipe: str | dict[str, Any],
        name: str | None = None,
        *,
        rounds: int | None = None,
        fast: bool = False,
        overrides: dict[str, Any] | None = None,
        source: str | None = None,
    ) -> RunInfo:
        """Begin a run, which the orchestrator service drives.

        Args:
            recipe: name of a recipe that ships with the service, or the keys of one.
            name: name of the run; None lets the service make one.
            rounds: number of rounds after round 0, in place of the recipe's.
            fast: whether the recipe's `fast` section is applied.
            overrides: new values of single recipe keys, for example `{"compose.samples": 4}`.
            source: name of a run whose phases are copied, up to the first phase in which the two recipes differ.
        """
        changes = [f"{key}={json.dumps(value)}" for key, value in (overrides or {}).items()]
        request = RunCreate(recipe=recipe, name=name, rounds=rounds, fast=fast, overrides=changes, source=source)
        return self._background.wait(self._service().begin(request))

    def pause(self, name: str) -> RunInfo:
        """Pause a run: no further work of it is sent until it is resumed."""
        return self._background.wait(self._service().pause(name))

    def resume(self, name: str, rounds: int | None = None) -> RunInfo:
        """Continue a run. `rounds`: new number of rounds after round 0, more than the run has; None keeps it."""
        return self._background.wait(self._service().resume(name, rounds))

    def cancel(self, name: str) -> RunInfo:
        """Cancel a run."""
        return self._background.wait(self._service().cancel(name))

    def progress(self, name: str) -> RunProgress:
        """Read how much of the current phase is done."""
        return self._background.wait(self._service().progress(name))

    def report(self, name: str) -> dict[str, Any]:
        """Read the report of a run: all figures of `a3t report`, as JSON values."""
        return self._background.wait(self._service().report(name))

    def events(self, name: str, after: int = 0, limit: int = 1000) -> Sequence[RunEvent]:
        """List at most `limit` events of a run with an id above `after`, in order."""
        return self._background.wait(self._service().events(name, after, limit))

    def wait(self, name: str) -> RunInfo:
        """Wait until a run has ended, and return its last state."""
        service = self._service()

        async def ended() -> RunInfo:
            while True:
                async for news in service.follow(name):
                    if news.ended:
                        return await service.run(name)

        return self._background.wait(ended())

    def frame(self, limit: int = 100, library: FrameLibrary = "pandas") -> Any:
        """List runs as a data frame of pandas or polars, one row for each run."""
        return frame_of((run.model_dump() for run in self.list(limit)), library)


class Trajectories(_Part[OrchestratorClient]):
    """Stored episodes. The filters are those of `GET /v1/trajectories`: `run`, `round`, `kind`, `split`, `task_id`,
    `task_type`, `success`, `stop_reason`, `sampled`, `invalid`, `made_up`, `search`, and `sort`."""

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[TrajectoryInfo]:
        """List episodes without their steps, at most `limit` (None: all). Pages are fetched as they are needed."""
        return self._background.iterate(_listed(self._service(), limit, filters))

    def get(self, trajectory_id: str) -> Trajectory:
        """Read an episode with its steps, by its id or the beginning of its id. Raises NotFoundError."""
        return self._background.wait(self._service().trajectory(trajectory_id))

    def export(self, run: str, format: str = "a3t", **options: Any) -> Iterator[dict[str, Any]]:
        """Yield the episodes of a run as rows of a format, as `a3t export` writes them. The options are those of `GET
        /v1/runs/{run}/export`."""
        return map(json.loads, self._background.iterate(self._service().export(run, format=format, **options)))

    def whole(self, run: str, **options: Any) -> Iterator[Trajectory]:
        """Yield the episodes of a run with their steps. The options are those of `export`."""
        return (Trajectory.model_validate(row) for row in self.export(run, "a3t", **options))

    def frame(self, *, limit: int | None = None, library: FrameLibrary = "pandas", **filters: Any) -> Any:
        """List episodes as a data frame of pandas or polars, one row for each episode."""
        return frame_of((row.model_dump(mode="json") for row in self.list(limit=limit, **filters)), library)

    def steps_frame(self, run: str, library: FrameLibrary = "pandas", **options: Any) -> Any:
        """Read the steps of a run's episodes as a data frame, one row for each step."""
        rows = (
            {"trajectory": one.id, "task_id": one.task_id, "success": one.success} | step.model_dump(mode="json")
            for one in self.whole(run, **options)
            for step in one.steps
        )
        return frame_of(rows, library)


class Adapters(_Part[TrainerClient]):
    """Adapter versions of the registry."""

    def list(self) -> list[AdapterManifest]:
        """List the manifests of all versions."""
        return self._background.wait(self._service().adapters())

    def get(self, version: str) -> AdapterManifest:
        """Read the manifest of a version. Raises NotFoundError."""
        return self._background.wait(self._service().adapter(version))

    def live(self) -> LivePointer:
        """Read which version is live: it is served where a request names none."""
        return self._background.wait(self._service().live())

    def promote(self, version: str) -> LivePointer:
        """Make a version live."""
        return self._background.wait(self._service().promote(version))

    def rollback(self) -> LivePointer:
        """Make the version that was live before live again."""
        return self._background.wait(self._service().rollback())


class Environments(_Part[EnvClient]):
    """Environments of the env service, and their tasks."""

    def list(self) -> list[EnvironmentInfo]:
        """List all environments."""
        return self._background.wait(self._service().environments())

    def get(self, name: str) -> EnvironmentInfo:
        """Read the description of an environment. Raises NotFoundError."""
        found = {info.name: info for info in self.list()}
        if name not in found:
            raise NotFoundError(f"There is no environment {name!r}.", hint=f"There are {', '.join(found) or 'none'}.")
        return found[name]

    def tasks(self, name: str, split: str | None = None) -> Sequence[Task]:
        """List the tasks of an environment, or of one of its splits."""
        return self._background.wait(self._service().all_tasks(name, split))


async def _listed(
    service: OrchestratorClient, limit: int | None, filters: dict[str, Any]
) -> AsyncIterator[TrajectoryInfo]:
    cursor, left = None, limit
    while left is None or left > 0:
        size = 1000 if left is None else min(1000, left)
        page = await service.trajectory_page(**filters, limit=size, cursor=cursor)
        for row in page.trajectories:
            yield row
        left = None if left is None else left - len(page.trajectories)
        cursor = page.next_cursor
        if cursor is None:
            return
