"""FastAPI dependencies of the routes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, TypeVar

from fastapi import Depends, Header, Request

from a3t_contracts.errors import UnavailableError
from a3t_contracts.schemas.recording import EPISODE_HEADER
from a3t_contracts.service import INLINE_BYTES, Lane

from ..episodes.backend import RecordingBackend
from ..episodes.store import EpisodeStore
from ..generation import Backend, Generated, Generation, Generator
from ..settings import PolicySettings
from ..text import TextCodec
from ..traced import traced

__all__ = [
    "BackendDep",
    "CodecDep",
    "EpisodesDep",
    "GeneratorDep",
    "RecordedDep",
    "SettingsDep",
    "generate_all",
    "prepared",
    "while_connected",
]

T = TypeVar("T")
_encoding = Lane("encode", 4)
"""Threads for the tokenizer, which releases Python's interpreter lock while it works. There are several, so that a
short request need not wait for a long one.
"""


def _backend(request: Request) -> Backend:
    backend: Backend = request.app.state.backend
    return backend


def _codec(request: Request) -> TextCodec:
    codec: TextCodec = request.app.state.backend.codec
    return codec


def _settings(request: Request) -> PolicySettings:
    settings: PolicySettings = request.app.state.settings
    return settings


def _episodes(request: Request) -> EpisodeStore:
    episodes: EpisodeStore = request.app.state.episodes
    return episodes


BackendDep = Annotated[Backend, Depends(_backend)]
CodecDep = Annotated[TextCodec, Depends(_codec)]
SettingsDep = Annotated[PolicySettings, Depends(_settings)]
EpisodesDep = Annotated[EpisodeStore, Depends(_episodes)]


def _recorded(
    request: Request,
    backend: BackendDep,
    episodes: EpisodesDep,
    episode: Annotated[
        str | None, Header(alias=EPISODE_HEADER, description="Id of the episode that the completion belongs to")
    ] = None,
) -> Generator:
    """The backend; if the request names an episode, a backend that records. Raises NotFoundError, ConflictError or
    TooLargeError.
    """
    operation = "chat" if request.url.path.endswith("/chat/completions") else "text_completion"
    if episode is None:
        return traced(backend, operation)
    episodes.writable(episode)
    return traced(RecordingBackend(backend, episodes, episode), operation, episode)


def _traced(backend: BackendDep) -> Generator:
    return traced(backend, "text_completion")


GeneratorDep = Annotated[Generator, Depends(_traced)]
"""The backend for completions that belong to no episode."""
RecordedDep = Annotated[Generator, Depends(_recorded)]
"""The backend for completions of clients, which may belong to an episode."""


async def prepared(request: Request, prepare: Callable[[], T]) -> T:
    """Call `prepare`, which encodes the prompts of a request. If the body is long, it is called in a thread."""
    return prepare() if len(await request.body()) <= INLINE_BYTES else await _encoding(prepare)


async def while_connected(request: Request, work: Awaitable[T]) -> T:
    """Return the result of `work`, and cancel the work if the client disconnects. The body must have been read
    before.
    """
    task = asyncio.ensure_future(work)
    task.add_done_callback(
        lambda done: done.cancelled() or done.exception()
    )  # marks the exception as read: after a disconnect nobody awaits the task
    gone = asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise UnavailableError("The client disconnected.")
    finally:
        gone.cancel()
        task.cancel()


async def generate_all(backend: Generator, generations: Sequence[Generation]) -> list[Generated]:
    """Generate all completions at once; the first failure cancels the others."""
    if len(generations) == 1:
        return [await backend.generate(generations[0])]
    tasks = [asyncio.ensure_future(backend.generate(generation)) for generation in generations]
    try:
        return list(await asyncio.gather(*tasks))
    finally:
        for task in tasks:
            task.cancel()


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
