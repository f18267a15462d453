"""Drives the runs that wait for a driver, several at a time. Each orchestrator process has a supervisor; leases make
sure that each run has one driver."""

from __future__ import annotations

import asyncio
from functools import partial

from sqlalchemy.orm import Session

from a3t_contracts.errors import A3TError, ConflictError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import RunStatus

from ..recipe import Recipe
from ..settings import OrchestratorSettings
from ..stopping import wait_for_event
from ..store import Store, drivers, get_run, touch_run, unattended
from .context import RunContext
from .loop import drive

__all__ = ["Supervisor"]

log = get_logger(__name__)


class Supervisor:
    """Looks every `look_seconds` seconds, or when it is woken, for runs without a living driver, and drives them.

    When it is stopped, it gives up the leases of its runs, so that another process can continue them at once.
    """

    def __init__(self, store: Store, settings: OrchestratorSettings, look_seconds: float = 1.0) -> None:
        self._store, self._settings, self._look_seconds = store, settings, look_seconds
        self._driven: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    @property
    def driven(self) -> list[str]:
        """Names of the runs that this process drives now."""
        return sorted(self._driven)

    def wake(self) -> None:
        """Look for runs at once, because a user changed or began a run."""
        self._woken.set()

    async def run(self) -> None:
        """Drive runs until this is cancelled."""
        try:
            while True:
                try:
                    await self._look()
                except A3TError as error:
                    log.warning("supervisor.waiting", error=str(error))
                except Exception:  # the next look may succeed; runs must not wait for a restart of the process
                    log.exception("supervisor.failed")
                await wait_for_event(self._woken, self._look_seconds)
                self._woken.clear()
        finally:
            await self._stop()

    async def _look(self) -> None:
        free = self._settings.driven_runs - len(self._driven)
        if free <= 0:
            return
        waiting = await self._store.do(_waiting)
        for name in [name for name in waiting if name not in self._driven][:free]:
            task = asyncio.create_task(self._drive(name), name=f"drive {name}")
            self._driven[name] = task
            task.add_done_callback(partial(self._ended, name))

    def _ended(self, name: str, _: asyncio.Task[None]) -> None:
        self._driven.pop(name, None)
        self._woken.set()

    async def _drive(self, name: str) -> None:
        log.info("run.taken", run=name)
        try:
            recipe = await self._store.do(partial(_recipe, name=name))
            status = await drive(RunContext(self._store, self._settings, name, recipe, in_service=True))
        except ConflictError as error:  # another process was faster, or took the run over
            log.info("run.left", run=name, reason=str(error))
        except A3TError as error:
            log.warning("run.stopped", run=name, error=str(error))
        except Exception as error:
            log.exception("run.broken", run=name)
            await self._store.do(partial(_note_broken, name=name, error=f"{type(error).__name__}: {error}"))
        else:
            log.info("run.ended", run=name, status=status.value)

    async def _stop(self) -> None:
        tasks = list(self._driven.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _waiting(session: Session) -> list[str]:
    driven = drivers(session)
    return [run.name for run in unattended(session) if run.name not in driven]


def _recipe(session: Session, name: str) -> Recipe:
    return Recipe.model_validate(get_run(session, name).recipe)


def _note_broken(session: Session, name: str, error: str) -> None:
    """Mark a run as failed that cannot even be started, for example because of a recipe of another version; otherwise
    it would be tried every second."""
    if RunStatus(get_run(session, name).status).active:
        touch_run(session, name, status=RunStatus.failed.value, error=error[:2000])
