"""Lets commands use the orchestrator service: finds its address, and follows a run there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from a3t_contracts.clients import OrchestratorClient, RunNews
from a3t_contracts.errors import A3TError, DeadlineError, UnavailableError, UpstreamError, error_from_problem
from a3t_contracts.schemas import RunEvent, RunInfo, RunProgress, RunStatus, TrainingState, Wanted

from ..driver.context import PhaseState
from ..embedded import read_state
from ..phases import Phase
from ..settings import OrchestratorSettings
from ..store import PhaseKey
from .common import run_async
from .live import LiveProgress

__all__ = ["by_service", "client_of", "follow_run", "orchestrator_url", "service_client"]

Result = TypeVar("Result")

_AWAY_SECONDS = 300.0
_AGAIN_SECONDS = 1.0


def orchestrator_url(settings: OrchestratorSettings) -> str | None:
    """Return the address of the orchestrator service: A3T_ORCHESTRATOR_URL, or that of the stack that runs in this
    A3T_HOME; None if there is neither."""
    if settings.orchestrator_url:
        return settings.orchestrator_url
    home: Path = settings.home.expanduser().resolve()
    state = None if settings.is_external else read_state(home)
    return state.urls.get("orchestrator") if state is not None and state.ready else None


def client_of(settings: OrchestratorSettings, url: str) -> OrchestratorClient:
    """Make a client of the service at an address."""
    return OrchestratorClient(url, settings.token.get_secret_value())


def service_client(settings: OrchestratorSettings) -> OrchestratorClient:
    """Make a client of the running service. Raises UnavailableError where none runs."""
    url = orchestrator_url(settings)
    if url is None:
        raise UnavailableError(
            "No orchestrator service is running.",
            hint="Start one with `a3t up`, or set A3T_ORCHESTRATOR_URL to its address.",
        )
    return client_of(settings, url)


def by_service(work: Callable[[OrchestratorClient], Awaitable[Result]]) -> Result | None:
    """Ask the service and return its answer, where no database is configured; None where the database can be read
    directly."""
    settings = OrchestratorSettings()
    if not settings.tells_by_service:
        return None

    async def asked() -> Result:
        async with service_client(settings) as client:
            return await work(client)

    return run_async(asked())


async def follow_run(client: OrchestratorClient, run: str, progress: LiveProgress, after: int = 0) -> RunInfo:
    """Show a run's progress until it has ended, and return its last state. A service that does not answer is waited
    for, up to 5 minutes.

    Raises the error that a failed run ended with, and A3TError for a run that was cancelled or interrupted.
    """
    view = _View(progress, after)
    away_since: float | None = None
    while True:
        try:
            async for news in client.follow(run, view.seen):
                away_since = None
                view.show(news)
                if news.ended and news.run is not None:
                    return _ended(news.run)
        except (UnavailableError, DeadlineError, UpstreamError) as error:
            if away_since is None:
                away_since = time.monotonic()
                progress.note(
                    view.round,
                    f"{error.detail} Waiting for the service; the run continues without this command.",
                    "warn",
                )
            elif time.monotonic() - away_since > _AWAY_SECONDS:
                raise
        await asyncio.sleep(_AGAIN_SECONDS)


class _View:
    """Shows the messages of a run's stream through `LiveProgress`."""

    def __init__(self, progress: LiveProgress, seen: int) -> None:
        self.progress, self.seen, self.round = progress, seen, 0
        self._state: tuple[RunStatus, Wanted] | None = None

    def show(self, news: RunNews) -> None:
        """Show one message of the stream."""
        if news.event is not None:
            self._event(news.event)
        if news.progress is not None:
            self._progress(news.progress)
        if news.run is not None:
            self._run(news.run)

    def _event(self, event: RunEvent) -> None:
        self.seen, self.round = event.id, event.round
        if event.kind == "phase_finished":
            self.progress.phase(_phase(event.data["round"], event.data["phase"], event.data))
        elif event.kind == "job_finished":
            self.progress.training(event.round, TrainingState.model_validate(event.data))
        elif event.kind in _TOLD or (event.level != "info" and event.kind not in _STATES):
            self.progress.note(event.round, event.message, event.level)

    def _progress(self, told: RunProgress) -> None:
        self.round = told.round
        if told.job is not None:
            self.progress.training(told.round, told.job)
        elif told.phase and told.total:
            self.progress.phase(_phase(told.round, told.phase, told.model_dump()))

    def _run(self, run: RunInfo) -> None:
        before, self._state = self._state, (run.status, run.wanted)
        if run.status is RunStatus.paused and run.wanted is Wanted.paused:
            self.progress.note(run.round, f"The run is paused; `a3t runs resume {run.name}` continues it.", "warn")
        elif before is not None and before[0] is RunStatus.paused and run.status.active:
            self.progress.note(run.round, "The run continues.")


_STATES = frozenset(status.value for status in RunStatus)
"""Kinds of events that are not shown, because other messages of the stream say the same."""


def _phase(number: int, phase: str, values: dict[str, Any]) -> PhaseState:
    counts = ("total", "done", "lost", "successes", "done_before", "successes_before", "resumed", "seconds")
    return PhaseState(PhaseKey("", number, Phase(phase)), **{name: values[name] for name in counts})


def _ended(run: RunInfo) -> RunInfo:
    if run.status is RunStatus.finished:
        return run
    if run.status is RunStatus.failed and run.problem is not None:
        raise error_from_problem(run.problem)
    words = run.error or f"The run {run.name} is {run.status}."
    raise A3TError(words, hint=f"`a3t runs resume {run.name}` continues it.")


_TOLD = frozenset({"waiting", "recorded"})
"""Kinds of events that are shown although nothing is wrong, because a user who follows the run must act on them."""
