"""The backend of several engine processes: one address, one set of versions, one live version."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace

from typing_extensions import override

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import OverloadedError, UnavailableError
from a3t_contracts.logging import get_logger

from ..generation import Delta, Generated, Generation
from ..metrics import Usage, count_sequence, watch_load
from ..processes.calls import Asked
from ..processes.group import EngineGroup
from ..processes.process import Over
from ..settings import PolicySettings
from ..text import TextCodec
from ..versions import BaseFacts, Version
from .versioned import VersionedBackend, version_folder

__all__ = ["ParallelBackend"]

log = get_logger(__name__)


class ParallelBackend(VersionedBackend):
    """Generates with engines in child processes (`a3t_policy.processes`). This process does not import torch.

    A sequence has the same tokens and log-probabilities in every process, because an engine computes each sequence
    independently, with random numbers that depend only on its seed.
    """

    not_started = "The base model is still being loaded."

    def __init__(self, settings: PolicySettings, processes: int) -> None:
        super().__init__()
        self.settings = settings
        self.folder = resolve_base_model(settings.policy_base_model)
        self.codec = TextCodec.load(self.folder)
        self.group = EngineGroup(settings, self.folder, processes)
        self._room = processes * settings.policy_max_batch + settings.policy_max_queue
        self._started = False

    @override
    async def start(self) -> None:
        settings = self.settings
        facts = await self.group.start()
        self._started = True
        watch_load(lambda: self.group.load)
        self.codec.context = facts.context
        await self._open(self, settings, BaseFacts(settings.policy_base_model, facts.fingerprint, facts.modules))
        processes = len(self.group.processes)
        live = self.versions.live.name
        log.info("policy.ready", base=settings.policy_base_model, live=live, processes=processes, **facts.log)

    @override
    async def close(self) -> None:
        await super().close()
        await self.group.close()

    @override
    def admit(self, count: int) -> None:
        if not self._started:
            raise UnavailableError(self.not_started, hint="Wait for `GET /ready`.")
        self.group.require()
        if self.group.load + count > self._room:
            raise OverloadedError(f"{self.group.load} sequences are running or waiting.", hint="Try again later.")

    @override
    async def generate(self, generation: Generation) -> Generated:
        asked, over = await self._leased(generation, streaming=False)
        return await self.group.generate(asked, over)

    @override
    async def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        asked, over = await self._leased(generation, streaming=True)
        async with aclosing(self.group.stream(asked, over)) as running:
            async for news in running:
                yield news

    @override
    async def ready(self) -> dict[str, object]:
        self.admit(0)
        for version in self.versions.served():
            await self.group.check(version.number, version.name)
        facts = {"running_or_waiting": self.group.load, "engine_processes": len(self.group.processes)}
        return {"backend": "local"} | facts | self._live_facts()

    async def put(self, version: Version) -> None:
        """Load a version's weights on every process. Called by the version manager."""
        await self.group.put(version.number, version_folder(version))

    async def drop(self, version: Version) -> None:
        """Free a version's weights and cached prefixes. Called by the version manager."""
        await self.group.drop(version.number)

    async def _leased(self, generation: Generation, *, streaming: bool) -> tuple[Asked, Over]:
        """Lease the version. Returns the request for the engine, and a function that ends the lease when the engine
        is done.
        """
        await self.live.ensure(generation.model)
        self.admit(1)
        version = self.versions.lease(generation.model)

        def over(usage: Usage | None) -> None:
            self.versions.release(version)
            if usage is not None:
                count_sequence(usage)

        return Asked(replace(generation, prompt_text=""), version.number, version.name, streaming), over
