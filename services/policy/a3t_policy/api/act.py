"""`POST /v1/act` takes histories and returns thoughts and actions; `POST /v1/detokenize` takes token ids and returns
their texts.
"""

from __future__ import annotations

import asyncio

from fastapi import APIRouter, Request

from a3t_contracts.access import Role, needs
from a3t_contracts.errors import A3TError, Problem
from a3t_contracts.react import parse_reply
from a3t_contracts.schemas import PromptStyle
from a3t_contracts.schemas.policy import ActReply, ActRequest, ActResult, ActTurn, TokenQuery, TokenTexts
from a3t_contracts.service import JsonRoute

from ..generation import Generation, Generator
from ..text import TextCodec
from ..traced import traced
from ..turn import cut_turn
from .deps import BackendDep, CodecDep, prepared, while_connected

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["act"], route_class=JsonRoute)


@router.post("/act")
async def act(body: ActRequest, request: Request, backend: BackendDep, codec: CodecDep) -> ActReply:
    """Generate one turn for each history, in the order of the request.

    A turn that fails has a problem document in place of its result. If the queue has no room for all turns, the whole
    request is refused with 429.
    """
    generations = await prepared(request, lambda: [_generation(turn, codec) for turn in body.turns])
    backend.admit(len(generations))
    pairs = zip(body.turns, generations, strict=True)
    generator = traced(backend, "text_completion")
    work = asyncio.gather(*(_act(turn, generation, generator, codec) for turn, generation in pairs))
    return ActReply(results=await while_connected(request, work))


@router.post("/detokenize", **needs(Role.read))
async def detokenize(body: TokenQuery, codec: CodecDep) -> TokenTexts:
    """Return the text of each token of the base model on its own, so that people can read log-probabilities."""
    return TokenTexts(texts=[codec.token_name(token) for token in body.ids])


def _generation(turn: ActTurn, codec: TextCodec) -> Generation | Problem:
    try:
        ids, text = codec.history(turn.history)
    except A3TError as error:
        return error.problem()
    chat = turn.history.prompt is PromptStyle.chat
    return Generation(ids, text, turn.sampling, turn.model, act=True, chat=chat, origin=turn.origin)


async def _act(
    turn: ActTurn, generation: Generation | Problem, generator: Generator, codec: TextCodec
) -> ActResult | Problem:
    if isinstance(generation, Problem):
        return generation
    try:
        done = cut_turn(await generator.generate(generation), codec, chat=generation.chat)
    except A3TError as error:
        return error.problem()
    reply = parse_reply(done.text)
    return ActResult(
        thought=reply.thought,
        action=reply.action,
        completion=done.text,
        completion_ids=done.ids,
        logprobs=done.logprobs if turn.logprobs else None,
        prompt_tokens=done.prompt_tokens,
        model=done.model,
        finish_reason=done.finish_reason,
        made_up_observation=done.made_up_observation,
    )
