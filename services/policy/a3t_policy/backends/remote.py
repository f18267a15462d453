"""The common part of backends with upstream servers: tokenizer, adapter versions, failover."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator

from a3t_contracts.base_model import resolve_base_model
from a3t_contracts.errors import A3TError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.registry import base_fingerprint
from a3t_contracts.schemas.policy import LiveState, ModelCard

from ..generation import Delta, Generated, Generation
from ..settings import PolicySettings
from ..text import TextCodec
from ..versions import BaseFacts, Live, Version, VersionManager, open_versions
from .upstreams import Upstream, Upstreams

__all__ = ["RemoteBackend"]

log = get_logger(__name__)


class RemoteBackend(ABC):
    """The policy as other servers compute it. The base's tokenizer is needed here, its weights are not."""

    kind: str

    def __init__(self, settings: PolicySettings) -> None:
        self.settings = settings
        folder = resolve_base_model(settings.policy_base_model)
        self.codec = TextCodec.load(folder)
        self.facts = BaseFacts(settings.policy_base_model, base_fingerprint(folder), None)
        self.upstreams = Upstreams(
            settings.upstream_urls,
            settings.policy_upstream_concurrency,
            settings.policy_max_queue,
            settings.policy_upstream_timeout,
        )
        self._versions: VersionManager | None = None
        self._live: Live | None = None

    async def start(self) -> None:
        self._versions, self._live = await open_versions(self, self.settings, self.facts)
        log.info("policy.ready", backend=self.kind, upstreams=self.settings.upstream_urls, live=self.versions.live.name)

    async def close(self) -> None:
        if self._live is not None:
            await self._live.close()

    def admit(self, count: int) -> None:
        self.upstreams.admit(count)

    async def generate(self, generation: Generation) -> Generated:
        await self.live.ensure(generation.model)
        with self.versions.leased(generation.model) as version:
            return await self.upstreams.call(lambda server: self.ask(server, generation, version))

    async def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        """Another server is tried until the first news; later failures end the stream with an error."""
        await self.live.ensure(generation.model)
        with self.versions.leased(generation.model) as version:
            async with self.upstreams.place():
                async for news in self._stream(generation, version):
                    yield news

    async def load(self, name: str, path: str | None, make_default: bool) -> ModelCard:
        return await self.live.load(name, path, make_default)

    async def unload(self, name: str) -> None:
        await self.live.unload(name)

    async def follow(self) -> LiveState:
        return await self.live.follow()

    def live_state(self) -> LiveState:
        return self.live.state()

    def models(self) -> list[ModelCard]:
        return self.versions.cards()

    async def ready(self) -> dict[str, object]:
        healthy = [server.url for server in self.upstreams.servers if server.healthy]
        if not healthy:
            raise UnavailableError("No upstream is healthy now.", hint="Check A3T_POLICY_UPSTREAMS and the servers.")
        return {"backend": self.kind, "upstreams": healthy} | self._live_facts()

    @property
    def versions(self) -> VersionManager:
        """Raises UnavailableError before `start` is through."""
        if self._versions is None:
            raise UnavailableError("The service is still starting.", hint="Wait for `GET /ready`.")
        return self._versions

    @property
    def live(self) -> Live:
        """What decides which version is live. Raises UnavailableError before `start` is through."""
        if self._live is None:
            raise UnavailableError("The service is still starting.", hint="Wait for `GET /ready`.")
        return self._live

    def _live_facts(self) -> dict[str, object]:
        """For `/ready`. Raises UnavailableError where it is not known which version is live."""
        self.versions.find(None)
        return self.live.state().model_dump(exclude_none=True)

    @abstractmethod
    async def ask(self, server: Upstream, generation: Generation, version: Version) -> Generated:
        """The completion from one server."""

    @abstractmethod
    def ask_stream(
        self, server: Upstream, generation: Generation, version: Version
    ) -> AsyncIterator[Delta | Generated]:
        """The completion from one server as it grows."""

    @abstractmethod
    async def put(self, version: Version) -> None:
        """Make the servers hold a version."""

    @abstractmethod
    async def drop(self, version: Version) -> None:
        """Make the servers give it up."""

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
