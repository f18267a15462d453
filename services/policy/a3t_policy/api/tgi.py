"""text-generation-inference's endpoints, so that its clients can call the policy."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from a3t_contracts import __version__
from a3t_contracts.errors import A3TError, InvalidInputError

from ..generation import Delta, Generated, Generation, TokenInfo
from ..text import TextCodec
from .deps import BackendDep, CodecDep, SettingsDep, while_connected
from .sse import event
from .tgi_schemas import GenerateRequest, Parameters

__all__ = ["router"]

router = APIRouter(tags=["tgi"])


@router.post("/generate", response_model=None)
async def generate(body: GenerateRequest, request: Request, backend: BackendDep, codec: CodecDep) -> Response:
    """One completion, with details on request."""
    generation = _generation(body, codec)
    done = await while_connected(request, backend.generate(generation))
    return JSONResponse(_reply(body, generation, done))


@router.post("/generate_stream", response_model=None)
async def generate_stream(body: GenerateRequest, backend: BackendDep, codec: CodecDep) -> Response:
    """One completion as server-sent events, one a token; the last one carries the whole text."""
    generation = replace(_generation(body, codec), top_logprobs=max(1, body.parameters.top_n_tokens or 0))
    news = backend.stream(generation)
    first = await anext(news)
    return StreamingResponse(_events(body, generation, first, news), media_type="text/event-stream")


@router.post("/", response_model=None)
async def either(body: GenerateRequest, request: Request, backend: BackendDep, codec: CodecDep) -> Response:
    """`/generate`, or `/generate_stream` with `stream` true; the former's reply is then a list, as TGI's."""
    if body.stream:
        return await generate_stream(body, backend, codec)
    generation = _generation(body, codec)
    done = await while_connected(request, backend.generate(generation))
    return JSONResponse([_reply(body, generation, done)])


@router.get("/info")
async def info(backend: BackendDep, settings: SettingsDep) -> dict[str, Any]:
    """What is served, and its limits."""
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
    ids = codec.prompt(body.inputs)
    if parameters.truncate:
        ids = ids[-parameters.truncate :]
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


def _reply(body: GenerateRequest, generation: Generation, done: Generated) -> dict[str, Any]:
    reply: dict[str, Any] = {"generated_text": _text(body, done), "model": done.model}
    if body.parameters.details:
        tokens = [_token(token) for token in done.tokens or []]
        reply["details"] = _counts(generation, done) | {"prefill": [], "tokens": tokens} | _tops(body.parameters, done)
    return reply


def _text(body: GenerateRequest, done: Generated) -> str:
    stopped_by = done.stop_sequence if done.stop_sequence in (body.parameters.stop or ()) else None
    prefix = body.inputs if body.parameters.return_full_text else ""
    return prefix + done.text + (stopped_by or "")  # TGI leaves the stop sequence in


def _counts(generation: Generation, done: Generated) -> dict[str, Any]:
    eos = done.stop_sequence == "eos"
    reason = "length" if done.finish_reason == "length" else "eos_token" if eos else "stop_sequence"
    return {
        "finish_reason": reason,
        "generated_tokens": done.completion_tokens,
        "input_length": done.prompt_tokens,
        "seed": generation.sampling.seed if generation.sampling.temperature > 0 else None,
    }


def _tops(parameters: Parameters, done: Generated) -> dict[str, Any]:
    if not parameters.top_n_tokens:
        return {}
    rows = [[{"id": i, "text": "", "logprob": p, "special": False} for i, p in t.top] for t in done.tokens or []]
    return {"top_tokens": rows}


def _token(token: TokenInfo) -> dict[str, Any]:
    return {"id": token.id, "text": token.text, "logprob": token.logprob, "special": token.special}


async def _events(
    body: GenerateRequest, generation: Generation, first: Delta | Generated, news: AsyncIterator[Delta | Generated]
) -> AsyncIterator[str]:
    """Every token is held back until the next news, because the last one carries the reply's end."""
    held: list[TokenInfo] = []
    index = 0
    item: Delta | Generated | None = first
    try:
        while item is not None:
            if isinstance(item, Generated):
                yield event(_last(body, generation, held, index, item))
                return
            for token in (*held[:], *item.tokens)[:-1] if item.tokens else ():
                index += 1
                yield event({"index": index, "token": _token(token), "generated_text": None, "details": None})
            held = item.tokens[-1:] or held
            item = await anext(news, None)
    except A3TError as error:
        yield event({"error": str(error), "error_type": "generation"})


def _last(
    body: GenerateRequest, generation: Generation, held: list[TokenInfo], index: int, done: Generated
) -> dict[str, Any]:
    token = held[0] if held else TokenInfo(0, "", 0.0, special=True)
    return {
        "index": index + 1,
        "token": _token(token),
        "generated_text": _text(body, done),
        "details": _counts(generation, done),
        "model": done.model,
    }
