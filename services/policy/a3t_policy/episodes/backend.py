"""A backend that keeps what it generates for one episode."""

from __future__ import annotations

from collections.abc import AsyncIterator

from a3t_contracts.errors import InvalidInputError

from ..generation import Backend, Delta, Generated, Generation
from .store import EpisodeStore

__all__ = ["RecordingBackend"]


class RecordingBackend:
    """Generates as the backend behind it does. A completion is on the disk before it is replied; one that fails, or
    that nobody waited for, is not recorded."""

    def __init__(self, backend: Backend, store: EpisodeStore, episode: str) -> None:
        self._backend, self._store, self._episode = backend, store, episode

    def admit(self, count: int) -> None:
        """As the backend's; raises InvalidInputError for more than one completion at once, which has no order."""
        if count != 1:
            raise InvalidInputError(
                f"A recorded request has one completion, and this one has {count}.", hint="Send one prompt with n=1."
            )
        self._backend.admit(count)

    async def generate(self, generation: Generation) -> Generated:
        """The finished completion, recorded."""
        done = await self._backend.generate(generation)
        await self._record(generation, done)
        return done

    async def stream(self, generation: Generation) -> AsyncIterator[Delta | Generated]:
        """Deltas, then the finished completion, recorded."""
        async for news in self._backend.stream(generation):
            if isinstance(news, Generated):
                await self._record(generation, news)
            yield news

    async def _record(self, generation: Generation, done: Generated) -> None:
        await self._store.record(self._episode, generation.prompt_ids, done, self._backend.codec.decode)
