"""Streams completions as server-sent events, with token counts at the end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from fastapi.responses import StreamingResponse

from a3t_contracts.errors import A3TError

from ..generation import Delta, Generated, Generation, Generator
from .openai_schemas import CommonRequest

__all__ = ["Choice", "completion_stream", "event", "merged", "usage"]

Item = tuple[int, Delta | Generated | A3TError]


class Choice(Protocol):
    """Builds the chunks of a stream for one kind of completion."""

    def first(self, index: int) -> dict[str, Any] | None:
        """The first chunk of a choice; None if there is none."""

    def part(self, index: int, delta: Delta) -> dict[str, Any]:
        """A chunk with new text."""

    def last(self, index: int, text: str, done: Generated) -> dict[str, Any]:
        """The last chunk, with the text that was held back until then."""


def usage(results: Sequence[Generated], choices: int = 1) -> dict[str, Any]:
    """Token counts of a reply. A prompt with several completions counts once."""
    prompt = sum(r.prompt_tokens for r in results[::choices])
    completion = sum(r.completion_tokens for r in results)
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": sum(r.cached_tokens for r in results[::choices])},
    }


def event(data: Any) -> str:
    """One server-sent event."""
    return f"data: {json.dumps(data, ensure_ascii=False)}\n\n"


async def merged(backend: Generator, generations: Sequence[Generation]) -> AsyncIterator[Item]:
    """Yield the deltas and results of several generations as they arrive, until all generations have ended. Closing
    the iterator cancels them.
    """
    queue: asyncio.Queue[Item] = asyncio.Queue()

    async def pump(index: int, generation: Generation) -> None:
        try:
            async for news in backend.stream(generation):
                queue.put_nowait((index, news))
        except A3TError as error:
            queue.put_nowait((index, error))

    tasks = [asyncio.ensure_future(pump(n, generation)) for n, generation in enumerate(generations)]
    try:
        left = len(tasks)
        while left:
            index, news = await queue.get()
            left -= not isinstance(news, Delta)
            yield index, news
    finally:
        for task in tasks:
            task.cancel()


async def completion_stream(
    head: dict[str, Any], backend: Generator, generations: Sequence[Generation], shape: Choice, body: CommonRequest
) -> StreamingResponse:
    """Return the streamed reply. A failure before the first token becomes an ordinary error reply."""
    items = merged(backend, generations)
    first = await anext(items)
    if isinstance(first[1], A3TError):
        await items.aclose()  # type: ignore[attr-defined]
        raise first[1]
    return StreamingResponse(_chunks(head, first, items, generations, shape, body), media_type="text/event-stream")


async def _chunks(
    head: dict[str, Any],
    first: Item,
    items: AsyncIterator[Item],
    generations: Sequence[Generation],
    shape: Choice,
    body: CommonRequest,
) -> AsyncIterator[str]:
    results: dict[int, Generated] = {}
    sent = [0] * len(generations)
    model = _model(first)
    for index in range(len(generations)):
        if (opening := shape.first(index)) is not None:
            yield event(head | {"model": model, "choices": [opening]})
    async for index, news in _chain(first, items):
        if isinstance(news, A3TError):
            yield event({"error": {"message": str(news), "type": "server_error", "code": news.slug}})
            return
        if isinstance(news, Delta):
            sent[index], model = sent[index] + len(news.text), news.model
            chunk = shape.part(index, news)
        else:
            results[index], model = news, news.model
            chunk = shape.last(index, news.text[sent[index] :], news)
        yield event(head | {"model": model, "choices": [chunk]})
    if body.stream_options is not None and body.stream_options.include_usage:
        done = [results[n] for n in sorted(results)]
        yield event(head | {"model": model, "choices": [], "usage": usage(done, body.choices)})
    yield "data: [DONE]\n\n"


def _model(item: Item) -> str | None:
    return None if isinstance(item[1], A3TError) else item[1].model


async def _chain(first: Item, items: AsyncIterator[Item]) -> AsyncIterator[Item]:
    yield first
    async for item in items:
        yield item
