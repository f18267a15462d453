"""`POST /v1/completions`, compatible with OpenAI's API."""

from __future__ import annotations

import time
import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from a3t_contracts.errors import InvalidInputError, TooLargeError
from a3t_contracts.service import JsonRoute

from ..generation import Delta, Generated, Generation, TokenInfo
from ..seeds import derived_seed
from ..text import TextCodec
from .deps import CodecDep, RecordedDep, generate_all, prepared, while_connected
from .logprobs import TextOffsets, text_logprobs
from .openai_schemas import MAX_SEQUENCES, CompletionRequest
from .sse import Choice, completion_stream, usage

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["openai"], route_class=JsonRoute)


@router.post("/completions", response_model=None)
async def completions(body: CompletionRequest, request: Request, backend: RecordedDep, codec: CodecDep) -> Response:
    """Complete one or several prompts, given as text or token ids. With `stream`, the reply is server-sent events."""
    generations = await prepared(request, lambda: _generations(body, codec))
    backend.admit(len(generations))
    head = {"id": f"cmpl-{uuid.uuid4().hex}", "object": "text_completion", "created": int(time.time())}
    if body.stream:
        return await completion_stream(head, backend, generations, _Shape(body, codec, generations), body)
    done = await while_connected(request, generate_all(backend, generations))
    shape = _Shape(body, codec, generations)
    choices = [shape.whole(index, result) for index, result in enumerate(done)]
    return JSONResponse(head | {"model": done[0].model, "choices": choices, "usage": usage(done, body.choices)})


def _generations(body: CompletionRequest, codec: TextCodec) -> list[Generation]:
    prompts = [_prompt(prompt, codec) for prompt in body.prompts]
    if not prompts:
        raise InvalidInputError("prompt: the list is empty.", hint="Send at least one prompt.")
    if len(prompts) * body.choices > MAX_SEQUENCES:
        raise TooLargeError(
            f"{len(prompts)} prompts times n={body.choices} is more than {MAX_SEQUENCES}.",
            hint="Send fewer prompts in one request, or a smaller n.",
        )
    return [
        Generation(
            prompt_ids=ids,
            prompt_text=text,
            sampling=body.sampling(body.max_tokens or 16, seed),
            model=body.model,
            stop=body.stop_strings,
            ignore_eos=bool(body.ignore_eos),
            top_logprobs=max(1, body.logprobs or 0) if body.logprobs is not None else 0,
        )
        for ids, text in prompts
        for seed in (derived_seed(body.seed, index) for index in range(body.choices))
    ]


def _prompt(prompt: str | list[int], codec: TextCodec) -> tuple[list[int], str]:
    if isinstance(prompt, str):
        ids = codec.prompt(prompt)
        if not ids:
            raise InvalidInputError("prompt: it has no tokens.", hint="Send at least one character.")
        return ids, prompt
    codec.require_room(len(prompt))
    codec.check(prompt)
    return prompt, codec.decode(prompt)


class _Shape(Choice):
    """Builds the choices of a text completion."""

    def __init__(self, body: CompletionRequest, codec: TextCodec, generations: list[Generation]) -> None:
        self.body, self.codec, self.generations = body, codec, generations
        self._offsets = [TextOffsets() for _ in generations]

    def whole(self, index: int, done: Generated) -> dict[str, Any]:
        prefix = self.generations[index].prompt_text if self.body.echo else ""
        choice = {
            "index": index,
            "text": prefix + done.text,
            "finish_reason": done.finish_reason,
            "stop_reason": self._stop_reason(done),
            "logprobs": self._logprobs(index, done.tokens or []),
        }
        if self.body.return_token_ids:
            choice |= {"token_ids": done.ids, "prompt_token_ids": self.generations[index].prompt_ids}
        return choice

    def first(self, index: int) -> dict[str, Any] | None:
        if not self.body.echo:
            return None
        text = self.generations[index].prompt_text
        return {"index": index, "text": text, "finish_reason": None, "logprobs": None}

    def part(self, index: int, delta: Delta) -> dict[str, Any]:
        choice = {
            "index": index,
            "text": delta.text,
            "finish_reason": None,
            "logprobs": self._logprobs(index, delta.tokens),
        }
        if self.body.return_token_ids:
            choice["token_ids"] = [token.id for token in delta.tokens]
        return choice

    def last(self, index: int, text: str, done: Generated) -> dict[str, Any]:
        ended = {"finish_reason": done.finish_reason, "stop_reason": self._stop_reason(done)}
        return {"index": index, "text": text, **ended, "logprobs": None}

    def _stop_reason(self, done: Generated) -> str | None:
        """The stop string that ended the completion; None if none did."""
        return done.stop_sequence if done.stop_sequence in self.body.stop_strings else None

    def _logprobs(self, index: int, tokens: list[TokenInfo]) -> dict[str, Any] | None:
        if self.body.logprobs is None:
            return None
        return text_logprobs(self.codec, tokens, self.body.logprobs, self._offsets[index])
