"""The common part of backends with upstream servers: tokenizer, adapter versions, failover."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from dataclasses import replace

from typing_extensions import override

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import A3TError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.registry import base_fingerprint
from a3t_contracts.schemas.policy import Sampling

from ..generation import Delta, Generated, Generation
from ..settings import PolicySettings
from ..text import TextCodec
from ..versions import BaseFacts, Version
from .proof import probe
from .upstreams import Upstream, Upstreams
from .versioned import VersionedBackend

__all__ = ["RemoteBackend"]

log = get_logger(__name__)


class RemoteBackend(VersionedBackend, ABC):
    """A backend whose completions other servers compute. This process needs the base's tokenizer but not its
    weights."""

    kind: str
    not_started = "The service is still starting."

    def __init__(self, settings: PolicySettings) -> None:
        super().__init__()
        self.settings = settings
        folder = resolve_base_model(settings.policy_base_model)
        self.codec = TextCodec.load(folder)
        self.facts = BaseFacts(settings.policy_base_model, base_fingerprint(folder), None, self.codec.prompt_style)
        self.upstreams = Upstreams(
            settings.upstream_urls,
            settings.policy_upstream_concurrency,
            settings.policy_max_queue,
            settings.policy_upstream_timeout,
            settings.policy_upstream_first_timeout,
        )

    @override
    async def start(self) -> None:
        await self.upstreams.warm_up(self._greet)
        await self._open(self, self.settings, self.facts)
        log.info("policy.ready", backend=self.kind, upstreams=self.settings.upstream_urls, live=self.versions.live.name)

    @override
    async def close(self) -> None:
        await super().close()
        await self.upstreams.aclose()

    @override
    def admit(self, count: int) -> None:
        self.upstreams.admit(count)

    @override
    async def generate(self, generation: Generation) -> Generated:
        await self.live.ensure(generation.model)
        with self.versions.leased(generation.model) as version:
            return await self.upstreams.call(lambda server: self.ask(server, generation, version))

    async def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        """Stream a completion. If a server fails before its first delta, another is tried; a later failure ends the
        stream with an error.
        """
        await self.live.ensure(generation.model)
        with self.versions.leased(generation.model) as version:
            async with self.upstreams.place():
                async for news in self._stream(generation, version):
                    yield news

    @override
    async def ready(self) -> dict[str, object]:
        self.upstreams.begin_warm_up(
            self._greet
        )  # servers that restarted or could not be reached get their first call here
        healthy = [server.url for server in self.upstreams.servers if server.healthy and server.warm]
        if not healthy:
            raise UnavailableError("No upstream is healthy now.", hint="Check A3T_POLICY_UPSTREAMS and the servers.")
        return {"backend": self.kind, "upstreams": healthy} | self._live_facts()

    @abstractmethod
    async def ask(self, server: Upstream, generation: Generation, version: Version) -> Generated:
        """Get a completion from one server."""

    @abstractmethod
    def ask_stream(
        self, server: Upstream, generation: Generation, version: Version
    ) -> AsyncIterator[Delta | Generated]:
        """Stream a completion from one server."""

    @abstractmethod
    async def put(self, version: Version) -> None:
        """Load a version on the servers."""

    @abstractmethod
    async def drop(self, version: Version) -> None:
        """Unload a version from the servers."""

    async def _greet(self, server: Upstream) -> Generated:
        """Generate one token of the base, because the first answer after a server's start takes far longer than
        later ones.
        """
        base = Version(0, self.facts.name, None)
        first = replace(probe(self.codec), sampling=Sampling(max_tokens=1))
        return await self.ask(server, first, base)

    async def _stream(self, generation: Generation, version: Version) -> AsyncIterator[Delta | Generated]:
        last: A3TError | None = None
        for server in self.upstreams.order():
            news = self.ask_stream(server, generation, version)
            try:
                first = await self.upstreams.attempt(server, lambda _, news=news: anext(news))  # type: ignore[misc]
            except A3TError as error:
                if error.status < 500 and error.status != 429:
                    raise
                log.warning("upstream.failed", url=server.url, reason=str(error))
                last = error
                continue
            yield first
            while not isinstance(first, Generated):
                first = await self.upstreams.attempt(server, lambda _, news=news: anext(news))  # type: ignore[misc]
                yield first
            return
        raise last or UnavailableError("There is no upstream.")
