"""The local backend: engine, adapter versions and tokenizer of one base model."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from typing_extensions import override

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import A3TError, UnavailableError
from a3t_contracts.logging import get_logger

from ..engine.build import LocalModel, build
from ..engine.host import EngineHost
from ..engine.sequence import News, Sequence
from ..generation import Delta, Generated, Generation
from ..metrics import count_sequence, watch_load
from ..settings import PolicySettings
from ..text import TextCodec
from ..versions import Version
from .versioned import VersionedBackend, version_folder

__all__ = ["LocalBackend"]

log = get_logger(__name__)


class LocalBackend(VersionedBackend):
    """Generates with transformers in this process; see `a3t_policy.engine`."""

    not_started = "The base model is still being loaded."

    def __init__(self, settings: PolicySettings) -> None:
        super().__init__()
        self.settings = settings
        self.folder = resolve_base_model(settings.policy_base_model)
        self.codec = TextCodec.load(self.folder)
        self._model: LocalModel | None = None
        self._leases: dict[Sequence, Version] = {}

    @override
    async def start(self) -> None:
        settings = self.settings
        model = await asyncio.to_thread(build, settings, self.folder, self.codec)
        model.engine.on_over = self._over
        model.engine.start()
        watch_load(lambda: model.engine.load)
        self.codec.context = model.engine.pool.context
        self._model = model
        await self._open(self, settings, model.facts)
        log.info("policy.ready", base=settings.policy_base_model, live=self.versions.live.name, **model.facts_to_log)

    @override
    async def close(self) -> None:
        await super().close()
        if self._model is not None:
            await asyncio.to_thread(self._model.engine.stop)

    @override
    def admit(self, count: int) -> None:
        self.model.engine.admit(count)

    @override
    async def generate(self, generation: Generation) -> Generated:
        async for news in self._news(generation, streaming=False):
            if isinstance(news, Generated):
                return news
        raise AssertionError("unreachable: a ticket ends with a result or an error")

    @override
    def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        return self._news(generation, streaming=True)

    @override
    async def ready(self) -> dict[str, object]:
        engine = self.model.engine
        engine.admit(0)
        for version in self.versions.served():
            await self.host.check(version.number, version.name)
        return {"backend": "local", "running_or_waiting": engine.load} | self._live_facts()

    async def put(self, version: Version) -> None:
        """Load a version's weights. Called by the version manager."""
        await self.host.put(version.number, version_folder(version))

    async def drop(self, version: Version) -> None:
        """Free a version's weights and cached prefixes. Called by the version manager."""
        await self.host.drop(version.number)

    @property
    def host(self) -> EngineHost:
        """The engine's versions."""
        return EngineHost(self.model)

    @property
    def model(self) -> LocalModel:
        """The loaded model. Raises UnavailableError before `start` has ended."""
        if self._model is None:
            raise UnavailableError(self.not_started, hint="Wait for `GET /ready`.")
        return self._model

    async def _news(self, generation: Generation, streaming: bool) -> AsyncIterator[Delta | Generated]:
        await self.live.ensure(generation.model)
        version = self.versions.lease(generation.model)
        try:
            sequence, ticket = self.model.engine.submit(generation, version.number, version.name, streaming)
        except A3TError:
            self.versions.release(version)
            raise
        self._leases[sequence] = version
        try:
            while True:
                news: News = await ticket.news.get()
                if isinstance(news, A3TError):
                    raise news
                yield news
                if isinstance(news, Generated):
                    return
        finally:
            ticket.cancelled = True

    def _over(self, sequence: Sequence) -> None:
        count_sequence(sequence.usage())
        self.versions.release(self._leases.pop(sequence))
