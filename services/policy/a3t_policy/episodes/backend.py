"""A backend that records the completions of one episode."""

from __future__ import annotations

from collections.abc import AsyncIterator

from a3t_contracts.errors import InvalidInputError

from ..generation import Backend, Delta, Generated, Generation
from .store import EpisodeStore

__all__ = ["RecordingBackend"]


class RecordingBackend:
    """Generates with another backend, and records. A completion is written to disk before it is returned; a
    completion that failed or was cancelled is not recorded.
    """

    def __init__(self, backend: Backend, store: EpisodeStore, episode: str) -> None:
        self._backend, self._store, self._episode = backend, store, episode

    def admit(self, count: int) -> None:
        """Like the backend's method. Raises InvalidInputError for more than one completion, because they would have
        no order.
        """
        if count != 1:
            raise InvalidInputError(
                f"A recorded request must have one completion, but this one has {count}.",
                hint="Send one prompt with n=1.",
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
