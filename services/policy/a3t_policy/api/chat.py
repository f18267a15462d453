"""`POST /v1/chat/completions`, as OpenAI's."""

from __future__ import annotations

import time
import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from a3t_contracts.service import JsonRoute

from ..chat_template import render_chat
from ..engine.sampling import derived_seed
from ..generation import Delta, Generated, Generation, TokenInfo
from ..settings import PolicySettings
from ..text import TextCodec
from .deps import BackendDep, CodecDep, SettingsDep, generate_all, prepared, while_connected
from .logprobs import chat_logprobs
from .openai_schemas import ChatRequest
from .sse import completion_stream, usage

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["openai"], route_class=JsonRoute)
_ANY_MODEL = frozenset({"tgi", "dummy"})
"""What clients of single-model servers send where they know no name: the live version."""


@router.post("/chat/completions", response_model=None)
async def chat_completions(
    body: ChatRequest, request: Request, backend: BackendDep, codec: CodecDep, settings: SettingsDep
) -> Response:
    """Messages in, the assistant's message out; streamed as server-sent events on request."""
    generations = await prepared(request, lambda: _generations(body, codec, settings))
    backend.admit(len(generations))
    head: dict[str, Any] = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time())}
    shape = _Shape(body, codec)
    if body.stream:
        head["object"] = "chat.completion.chunk"
        return await completion_stream(head, backend, generations, shape, body)
    done = await while_connected(request, generate_all(backend, generations))
    head |= {"object": "chat.completion", "model": done[0].model, "usage": usage(done, body.choices)}
    return JSONResponse(head | {"choices": [shape.whole(index, result) for index, result in enumerate(done)]})


def _generations(body: ChatRequest, codec: TextCodec, settings: PolicySettings) -> list[Generation]:
    ids, text = render_chat(codec, [(message.role, message.text) for message in body.messages])
    room = max(1, min(4096, settings.policy_max_context - len(ids)))
    max_tokens = body.max_completion_tokens or body.max_tokens or room
    return [
        Generation(
            prompt_ids=ids,
            prompt_text=text,
            model=None if body.model in _ANY_MODEL else body.model,
            sampling=body.sampling(max_tokens, derived_seed(body.seed, index)),
            stop=body.stop_strings,
            ignore_eos=body.ignore_eos,
            top_logprobs=max(1, body.top_logprobs or 0) if body.logprobs else 0,
        )
        for index in range(body.choices)
    ]


class _Shape:
    """How a choice of a chat completion looks."""

    def __init__(self, body: ChatRequest, codec: TextCodec) -> None:
        self.body, self.codec = body, codec

    def whole(self, index: int, done: Generated) -> dict[str, Any]:
        """The choice of a reply that is not streamed."""
        message = {"role": "assistant", "content": done.text, "refusal": None}
        choice = {
            "index": index,
            "message": message,
            "finish_reason": done.finish_reason,
            "logprobs": self._logprobs(done.tokens or []),
        }
        return choice | ({"token_ids": done.ids} if self.body.return_token_ids else {})

    def first(self, index: int) -> dict[str, Any] | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "finish_reason": None, "logprobs": None}

    def part(self, index: int, delta: Delta) -> dict[str, Any]:
        choice = {
            "index": index,
            "delta": {"content": delta.text},
            "finish_reason": None,
            "logprobs": self._logprobs(delta.tokens),
        }
        return choice | ({"token_ids": [t.id for t in delta.tokens]} if self.body.return_token_ids else {})

    def last(self, index: int, text: str, done: Generated) -> dict[str, Any]:
        delta = {"content": text} if text else {}
        return {"index": index, "delta": delta, "finish_reason": done.finish_reason, "logprobs": None}

    def _logprobs(self, tokens: list[TokenInfo]) -> dict[str, Any] | None:
        if not self.body.logprobs:
            return None
        return chat_logprobs(self.codec, tokens, self.body.top_logprobs or 0)
