"""The context of a driven run: store, settings, recipe, and the listener that progress is reported to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from celery import Celery
from typing_extensions import override

from a3t_contracts.schemas import FineTuningJob

from ..phases import Phase
from ..queue import configure
from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..store import PhaseKey, Store, add_event

_PACE_SECONDS = 2.0

__all__ = ["Listener", "PhaseState", "RunContext", "Silent"]


@dataclass(frozen=True, slots=True)
class PhaseState:
    """Progress of a phase: number of work items by state, and successes among its episodes.

    A phase has several passes if it composes in waves or evaluates several sets of tasks. `done` and `successes` count
    all passes; `done_before` and `successes_before` are their values when this pass began, `seconds` ago. `resumed`:
    another process began this pass; its episodes are counted as well.
    """

    key: PhaseKey
    total: int
    done: int
    lost: int
    successes: int
    seconds: float
    done_before: int = 0
    successes_before: int = 0
    resumed: bool = False

    @property
    def eta_seconds(self) -> float | None:
        """Estimated seconds until the phase ends; None in the first two seconds and until an episode is done."""
        made, missing = self.done - self.done_before, self.total - self.done - self.lost
        if made <= 0 or missing <= 0 or self.seconds < _PACE_SECONDS:
            return None
        return self.seconds / made * missing


class Listener(Protocol):
    """Receives a run's progress, for example to show it on a terminal."""

    def phase(self, state: PhaseState) -> None:
        """Receive the state of a phase when it begins, makes progress or ends."""

    def job(self, number: int, job: FineTuningJob) -> None:
        """Receive the state of a fine-tuning job when it makes progress."""

    def note(self, number: int, message: str, level: str = "info") -> None:
        """Receive a message about the run."""


class Silent(Listener):
    """A listener that ignores all progress."""

    @override
    def phase(self, state: PhaseState) -> None:
        return

    @override
    def job(self, number: int, job: FineTuningJob) -> None:
        return

    @override
    def note(self, number: int, message: str, level: str = "info") -> None:
        return


@dataclass(slots=True)
class RunContext:
    """A driven run with its store, settings, recipe and listener. `in_service`: the orchestrator service drives the
    run; when the service stops, the run is not marked as interrupted, and the next process that drives it continues it.
    `aside`: the phases of this context run at the same time as a phase in the foreground, whose progress is shown as
    the run's."""

    store: Store
    settings: OrchestratorSettings
    run: str
    recipe: Recipe
    listener: Listener = field(default_factory=Silent)
    poll_seconds: float = 0.25
    in_service: bool = False
    aside: bool = False

    async def tell(self, number: int, kind: str, message: str, level: str = "warn") -> None:
        """Store an event of the run, and pass it to the listener."""
        await self.store.do(lambda session: add_event(session, self.run, number, kind, message, level))
        self.listener.note(number, message, level)

    @property
    def celery(self) -> Celery:
        """The Celery app, connected to the queue."""
        return configure(self.settings)

    def key(self, number: int, phase: Phase) -> PhaseKey:
        """The key of a phase of this run."""
        return PhaseKey(self.run, number, phase)
