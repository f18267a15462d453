"""Puts adapter versions into an engine, takes them out, and proves that they compute."""

from __future__ import annotations

import asyncio
from pathlib import Path

from a3t_contracts.errors import UnavailableError

from .build import LocalModel

__all__ = ["EngineHost"]


class EngineHost:
    """The versions of one engine, by their numbers. Versions are loaded while the engine computes."""

    def __init__(self, model: LocalModel) -> None:
        self.model = model

    async def put(self, number: int, folder: Path) -> None:
        """Load a version's weights and read them back. If this fails, nothing changes."""
        weights, engine = self.model.weights, self.model.engine
        if weights.merging:
            prepared = await asyncio.to_thread(weights.prepare, folder)
            await asyncio.wrap_future(engine.between_steps(lambda: weights.add(number, prepared)))
        else:
            await asyncio.wrap_future(engine.between_steps(lambda: weights.attach(number, folder)))

    async def drop(self, number: int) -> None:
        """Free a version's weights and cached prefixes."""
        weights, engine = self.model.weights, self.model.engine

        def forget() -> None:
            weights.remove(number)
            engine.pool.forget(number)
            engine.runner.health.forget(number)

        await asyncio.wrap_future(engine.between_steps(forget))

    async def check(self, number: int, name: str) -> None:
        """Raise UnavailableError if the engine has stopped, or if the last passes of a version failed and one more
        pass fails now. That pass is made here, because a service that is not ready gets no other calls.
        """
        engine = self.model.engine
        engine.admit(0)
        health = engine.runner.health
        if not health.broken(number):
            return
        try:
            await asyncio.wrap_future(engine.between_steps(lambda: engine.runner.probe(number)))
        except Exception as error:
            raise UnavailableError(
                f"The engine cannot compute {name!r}: {health.reason(number)}.",
                hint="The service's log has the reason; unload that version, or restart the service.",
            ) from error
