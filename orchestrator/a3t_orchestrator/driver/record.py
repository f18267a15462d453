"""Stores the progress of a driven run in the database, about once a second, so that every process can read it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from typing import Any, Self

from a3t_contracts.errors import A3TError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import FineTuningJob, TrainingState

from ..phases import Phase
from ..store import Store, save_progress
from .context import Listener, PhaseState

__all__ = ["Recorder", "phase_values", "training_state"]

_STORE_SECONDS = 1.0

log = get_logger(__name__)


class Recorder:
    """A listener that stores the progress that it receives and passes it on. Use it as a context manager."""

    def __init__(self, store: Store, run: str, inner: Listener) -> None:
        self._store, self._run, self._inner = store, run, inner
        self._heard: dict[str, Any] | None = None
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._keep())
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._save(patience=0)

    def phase(self, state: PhaseState) -> None:
        """Keep the state of a phase until progress is stored the next time."""
        self._heard = phase_values(state)
        self._inner.phase(state)

    def job(self, number: int, job: FineTuningJob) -> None:
        """Keep the state of a fine-tuning job until progress is stored the next time."""
        told = training_state(job).model_dump(mode="json")
        eta = job.progress.eta_seconds
        self._heard = {"round": number, "phase": Phase.train.value, "job": told, "eta_seconds": eta}
        self._inner.job(number, job)

    def note(self, number: int, message: str, level: str = "info") -> None:
        """Pass a message on. It is not stored, because important messages are stored as events of the run."""
        self._inner.note(number, message, level)

    async def _keep(self) -> None:
        while True:
            await self._save()
            await asyncio.sleep(_STORE_SECONDS)

    async def _save(self, patience: float | None = None) -> None:
        """Store the progress. Errors of the database are ignored, because nothing depends on progress and the next
        attempt stores a newer state."""
        heard, self._heard = self._heard, None
        if heard is None:
            return
        try:
            await self._store.do(partial(save_progress, run=self._run, values=heard), patience=patience)
        except A3TError as error:
            log.info("progress.not_stored", run=self._run, error=str(error))


def phase_values(state: PhaseState) -> dict[str, Any]:
    """Return a phase's state as the values that the database keeps: fields of RunProgress."""
    return {
        "round": state.key.round,
        "phase": state.key.phase.value,
        "total": state.total,
        "done": state.done,
        "lost": state.lost,
        "successes": state.successes,
        "done_before": state.done_before,
        "successes_before": state.successes_before,
        "resumed": state.resumed,
        "seconds": round(state.seconds, 1),
        "eta_seconds": state.eta_seconds,
    }


def training_state(job: FineTuningJob) -> TrainingState:
    """Return the state of a fine-tuning job as it is stored with the progress."""
    progress = job.progress
    return TrainingState(
        job_id=job.id,
        version=job.request.version,
        status=job.status,
        step=progress.step,
        total_steps=progress.total_steps,
        loss=progress.loss,
        eta_seconds=progress.eta_seconds,
    )
