"""Endpoints of text-generation-inference (TGI), so that its clients can call the policy."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from a3t_contracts import __version__
from a3t_contracts.errors import A3TError, InvalidInputError
from a3t_contracts.service import JsonRoute

from ..generation import Delta, Generated, Generation, TokenInfo
from ..text import TextCodec
from .deps import BackendDep, CodecDep, GeneratorDep, SettingsDep, prepared, while_connected
from .sse import event
from .tgi_schemas import GenerateRequest
from .tgi_tokens import token_entry, token_rows, top_rows

__all__ = ["router"]

router = APIRouter(tags=["tgi"], route_class=JsonRoute)


@router.post("/generate", response_model=None)
async def generate(body: GenerateRequest, request: Request, backend: GeneratorDep, codec: CodecDep) -> Response:
    """Generate one completion, with details if they are asked for."""
    generation = await prepared(request, lambda: _generation(body, codec))
    done = await while_connected(request, backend.generate(generation))
    return JSONResponse(_reply(body, generation, done, codec))


@router.post("/generate_stream", response_model=None)
async def generate_stream(body: GenerateRequest, request: Request, backend: GeneratorDep, codec: CodecDep) -> Response:
    """Generate one completion as server-sent events, one for each token. The last event has the whole text."""
    generation = await prepared(request, lambda: _generation(body, codec))
    generation = replace(generation, top_logprobs=max(1, body.parameters.top_n_tokens or 0))
    news = backend.stream(generation)
    first = await anext(news)
    return StreamingResponse(_Events(body, generation, codec).of(first, news), media_type="text/event-stream")


@router.post("/", response_model=None)
async def either(body: GenerateRequest, request: Request, backend: GeneratorDep, codec: CodecDep) -> Response:
    """Answer like `/generate_stream` with `stream`, else like `/generate` but with a list, as in TGI."""
    if body.stream:
        return await generate_stream(body, request, backend, codec)
    generation = await prepared(request, lambda: _generation(body, codec))
    done = await while_connected(request, backend.generate(generation))
    return JSONResponse([_reply(body, generation, done, codec)])


@router.get("/info")
async def info(backend: BackendDep, settings: SettingsDep) -> dict[str, Any]:
    """Return the served model and its limits."""
    live = next(card.id for card in backend.models() if card.live)
    return {
        "model_id": settings.policy_base_model,
        "model_pipeline_tag": "text-generation",
        "live_adapter": live,
        "max_concurrent_requests": settings.policy_max_batch + settings.policy_max_queue,
        "max_best_of": 1,
        "max_stop_sequences": 16,
        "max_input_tokens": settings.policy_max_context - 1,
        "max_total_tokens": settings.policy_max_context,
        "router": "a3t-policy",
        "version": __version__,
    }


def _generation(body: GenerateRequest, codec: TextCodec) -> Generation:
    parameters = body.parameters
    ids = codec.prompt_end(body.inputs, parameters.truncate) if parameters.truncate else codec.prompt(body.inputs)
    if not ids:
        raise InvalidInputError("inputs: it has no tokens.", hint="Send at least one character.")
    sampling = parameters.sampling()
    if sampling.temperature > 0 and sampling.seed is None:
        sampling = sampling.model_copy(update={"seed": random.SystemRandom().getrandbits(53)})
    return Generation(
        prompt_ids=ids,
        prompt_text=body.inputs,
        sampling=sampling,
        model=parameters.adapter_id,
        stop=tuple(parameters.stop or ()),
        top_logprobs=max(1, parameters.top_n_tokens or 0) if parameters.details else 0,
    )


def _reply(body: GenerateRequest, generation: Generation, done: Generated, codec: TextCodec) -> dict[str, Any]:
    text = _text(body, done)
    reply: dict[str, Any] = {"generated_text": _prefix(body) + text, "model": done.model}
    if body.parameters.details:
        rows = token_rows(done.tokens or [], text)
        reply["details"] = _counts(generation, done) | {"prefill": [], "tokens": rows}
        if top := body.parameters.top_n_tokens:
            reply["details"]["top_tokens"] = [top_rows(codec, token, top) for token in done.tokens or []]
    return reply


def _prefix(body: GenerateRequest) -> str:
    return body.inputs if body.parameters.return_full_text else ""


def _text(body: GenerateRequest, done: Generated) -> str:
    """The completion with the stop sequence that ended it, which TGI does not cut off."""
    return done.text + (done.stop_sequence or "" if done.stop_sequence in (body.parameters.stop or ()) else "")


def _counts(generation: Generation, done: Generated) -> dict[str, Any]:
    eos = done.stop_sequence == "eos"
    reason = "length" if done.finish_reason == "length" else "eos_token" if eos else "stop_sequence"
    return {
        "finish_reason": reason,
        "generated_tokens": done.completion_tokens,
        "input_length": done.prompt_tokens,
        "seed": generation.sampling.seed if generation.sampling.temperature > 0 else None,
    }


class _Events:
    """The events of one stream. Each token is held back until the next one arrives, because the last event has further
    fields, and its text ends where the reply ends."""

    def __init__(self, body: GenerateRequest, generation: Generation, codec: TextCodec) -> None:
        self.body, self.generation, self.codec = body, generation, codec
        self._held: TokenInfo | None = None
        self._index = self._sent = 0

    async def of(self, first: Delta | Generated, news: AsyncIterator[Delta | Generated]) -> AsyncIterator[str]:
        """One event for each token; an error ends the stream."""
        item: Delta | Generated | None = first
        try:
            while item is not None:
                if isinstance(item, Generated):
                    yield event(self._last(item))
                    return
                for token in item.tokens:
                    if self._held is not None:
                        yield event(self._token(self._held, self._held.text))
                    self._held = token
                item = await anext(news, None)
        except A3TError as error:
            yield event({"error": str(error), "error_type": "generation"})

    def _token(self, token: TokenInfo, text: str) -> dict[str, Any]:
        self._index += 1
        self._sent += len(text)
        row = {"index": self._index, "token": token_entry(token, text), "generated_text": None, "details": None}
        top = self.body.parameters.top_n_tokens
        return row | ({"top_tokens": top_rows(self.codec, token, top)} if top else {})

    def _last(self, done: Generated) -> dict[str, Any]:
        text = _text(self.body, done)
        row = self._token(self._held or TokenInfo(0, "", 0.0, special=not text), text[self._sent :])
        return row | {
            "generated_text": _prefix(self.body) + text,
            "details": _counts(self.generation, done),
            "model": done.model,
        }
