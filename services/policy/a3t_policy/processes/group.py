"""The engine processes of a service. Every version is loaded in all of them, and a process that ends is replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from pathlib import Path

from a3t_contracts.errors import A3TError, UnavailableError
from a3t_contracts.logging import get_logger

from ..generation import Delta, Generated
from ..settings import PolicySettings
from .affinity import Affinity
from .calls import CHECK, DROP, PUT, Asked, EngineFacts, NamedVersion
from .process import EngineProcess, Over

__all__ = ["EngineGroup"]

_PAUSES = (0.2, 1.0, 5.0)
"""Seconds before a process is started again, by the number of failed starts in a row."""

log = get_logger(__name__)


class EngineGroup:
    """Engine processes with the same versions.

    Args:
        settings: settings of every engine.
        folder: folder of the base.
        count: number of processes.
    """

    def __init__(self, settings: PolicySettings, folder: str, count: int) -> None:
        self._settings, self._folder, self._count = settings, folder, count
        self._up: dict[int, EngineProcess] = {}
        self._versions: dict[int, NamedVersion] = {}
        self._changing = asyncio.Lock()
        self._affinity = Affinity()
        self._restarts: set[asyncio.Task[None]] = set()

    @property
    def load(self) -> int:
        """Number of generations that have not ended."""
        return sum(process.load for process in self._up.values())

    @property
    def processes(self) -> list[EngineProcess]:
        """The processes that accept work."""
        return list(self._up.values())

    async def start(self) -> EngineFacts:
        """Start all processes, and return the facts that the first one reports. Raises the error with which an
        engine refused the base.
        """
        processes = [EngineProcess(number, self._lost) for number in range(self._count)]
        starts = [process.start(self._settings, self._folder) for process in processes]
        found = await asyncio.gather(*starts, return_exceptions=True)
        facts = [one for one in found if not isinstance(one, BaseException)]
        if len(facts) < len(found):
            await asyncio.gather(*(process.close() for process in processes))
            raise next(one for one in found if isinstance(one, BaseException))
        self._up = {process.number: process for process in processes}
        return facts[0]

    async def close(self) -> None:
        """End all processes."""
        for task in self._restarts:
            task.cancel()
        await asyncio.gather(*self._restarts, return_exceptions=True)
        await asyncio.gather(*(process.close() for process in self._up.values()))

    def require(self) -> None:
        """Raise UnavailableError while no process accepts work."""
        if not self._up:
            raise UnavailableError(
                "No engine process is running; one is being started.", hint="Try again in some seconds."
            )

    async def generate(self, asked: Asked, over: Over) -> Generated:
        """Generate on one of the processes; see `EngineProcess.generate`. Raises UnavailableError while none runs."""
        return await self._chosen(asked).generate(asked, over)

    def stream(self, asked: Asked, over: Over) -> AsyncGenerator[Delta | Generated, None]:
        """Like `generate`, but yields deltas and then the result."""
        return self._chosen(asked).stream(asked, over)

    def _chosen(self, asked: Asked) -> EngineProcess:
        self.require()
        loads = {number: process.load for number, process in self._up.items()}
        return self._up[self._affinity.choose(asked.generation.prompt_ids, asked.version, loads)]

    async def put(self, number: int, folder: Path) -> None:
        """Load a version on every process before any of them uses it. If one fails, none has it."""
        async with self._changing:
            self.require()
            version = NamedVersion(number, folder=str(folder))
            await self._all(lambda process: process.call(PUT, version), undo=version)
            self._versions[number] = version

    async def drop(self, number: int) -> None:
        """Free a version on every process."""
        async with self._changing:
            self._versions.pop(number, None)
            await self._all(lambda process: process.call(DROP, NamedVersion(number)))

    async def check(self, number: int, name: str) -> None:
        """Raise UnavailableError if a process cannot compute a version, or none runs."""
        self.require()
        await self._all(lambda process: process.call(CHECK, NamedVersion(number, name)))

    async def _all(self, call: Callable[[EngineProcess], Awaitable[None]], undo: NamedVersion | None = None) -> None:
        """Call every process. A process that ends during the call is ignored: its successor starts with the current
        versions.
        """
        called = list(self._up.values())
        results = await asyncio.gather(*(call(process) for process in called), return_exceptions=True)
        failed = [
            result
            for process, result in zip(called, results, strict=True)
            if isinstance(result, BaseException) and self._up.get(process.number) is process
        ]
        if not failed:
            self.require()
            return
        if undo is not None:
            drops = (process.call(DROP, undo) for process in self._up.values())
            await asyncio.gather(*drops, return_exceptions=True)
        raise failed[0]

    def _lost(self, process: EngineProcess) -> None:
        if self._up.pop(process.number, None) is None:
            return  # it never accepted work
        log.error("engine.process_ended", process=process.number, pid=process.pid)
        self._affinity.forget(process.number)
        task = asyncio.create_task(self._restart(process))
        self._restarts.add(task)
        task.add_done_callback(self._restarts.discard)

    async def _restart(self, ended: EngineProcess) -> None:
        """Replace a process that ended by a new one with the versions of the others. Tries again until it succeeds."""
        await ended.close()
        failures = 0
        while True:
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            process = EngineProcess(ended.number, self._lost)
            try:
                await process.start(self._settings, self._folder)
                async with self._changing:
                    for version in self._versions.values():
                        await process.call(PUT, version)
                    if not process.alive:
                        raise UnavailableError("The process ended at once.")
                    self._up[process.number] = process
            except (A3TError, OSError) as error:
                failures += 1
                log.error("engine.process_not_started", process=ended.number, failures=failures, error=str(error))
                await process.close()
            else:
                log.info("engine.process_started", process=process.number, pid=process.pid)
                return
