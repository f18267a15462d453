"""`POST /v1/chat/completions`, compatible with OpenAI's API."""

from __future__ import annotations

import time
import uuid
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.service import JsonRoute

from ..chat_template import render_chat, template_text
from ..generation import Delta, Generated, Generation, TokenInfo
from ..seeds import derived_seed
from ..settings import PolicySettings
from ..text import TextCodec
from .deps import CodecDep, RecordedDep, SettingsDep, generate_all, prepared, while_connected
from .logprobs import chat_logprobs
from .openai_schemas import ChatRequest
from .sse import completion_stream, usage
from .tools import CallForm, Reply, call_form, read_reply, sure_text

__all__ = ["router"]

router = APIRouter(prefix="/v1", tags=["openai"], route_class=JsonRoute)
_ANY_MODEL = frozenset({"tgi", "dummy"})
"""Model names that clients of single-model servers send if they have no name. They stand for the live version."""


@router.post("/chat/completions", response_model=None)
async def chat_completions(
    body: ChatRequest, request: Request, backend: RecordedDep, codec: CodecDep, settings: SettingsDep
) -> Response:
    """Answer a conversation with the assistant's next message. With `stream`, the reply is server-sent events."""
    generations = await prepared(request, lambda: _generations(body, codec, settings))
    backend.admit(len(generations))
    head: dict[str, Any] = {"id": f"chatcmpl-{uuid.uuid4().hex}", "created": int(time.time())}
    shape = _Shape(body, codec, _call_form(body, codec))
    if body.stream:
        head["object"] = "chat.completion.chunk"
        return await completion_stream(head, backend, generations, shape, body)
    done = await while_connected(request, generate_all(backend, generations))
    head |= {"object": "chat.completion", "model": done[0].model, "usage": usage(done, body.choices)}
    return JSONResponse(head | {"choices": [shape.whole(index, result) for index, result in enumerate(done)]})


def _generations(body: ChatRequest, codec: TextCodec, settings: PolicySettings) -> list[Generation]:
    ids, text = render_chat(codec, [message.row() for message in body.messages], body.tools_in_play)
    room = max(1, min(4096, settings.policy_max_context - len(ids)))
    max_tokens = body.max_completion_tokens or body.max_tokens or room
    return [
        Generation(
            prompt_ids=ids,
            prompt_text=text,
            model=None if body.model in _ANY_MODEL else body.model,
            sampling=body.sampling(max_tokens, derived_seed(body.seed, index)),
            stop=body.stop_strings,
            ignore_eos=bool(body.ignore_eos),
            top_logprobs=max(1, body.top_logprobs or 0) if body.logprobs else 0,
        )
        for index in range(body.choices)
    ]


def _call_form(body: ChatRequest, codec: TextCodec) -> CallForm | None:
    """The form in which tool calls in the reply are parsed; None without tools. Raises InvalidInputError for an
    unknown form.
    """
    if not body.tools_in_play:
        return None
    form = call_form(template_text(codec))
    if form is None:
        raise InvalidInputError(
            "tools: the base's chat template tells the model to write calls in a form that this service cannot parse.",
            hint="It parses those of Hermes, Qwen, Llama 3 and Mistral. Leave tools out, and parse the text yourself.",
        )
    return form


class _Shape:
    """Builds the choices of a chat completion. With tools, a stream holds back text that may be a call until the reply
    is complete."""

    def __init__(self, body: ChatRequest, codec: TextCodec, form: CallForm | None) -> None:
        self.body, self.codec, self.form = body, codec, form
        self._text = [""] * body.choices
        self._sent = [0] * body.choices

    def whole(self, index: int, done: Generated) -> dict[str, Any]:
        """The choice of a reply that is not streamed."""
        reply = self._reply(done.text)
        message: dict[str, Any] = {"role": "assistant", "content": reply.text, "refusal": None}
        if reply.calls:
            message |= {"content": reply.text or None, "tool_calls": reply.calls}
        choice = {
            "index": index,
            "message": message,
            "finish_reason": _finish(done, reply),
            "logprobs": self._logprobs(done.tokens or []),
        }
        return choice | ({"token_ids": done.ids} if self.body.return_token_ids else {})

    def first(self, index: int) -> dict[str, Any] | None:
        delta = {"role": "assistant", "content": ""}
        return {"index": index, "delta": delta, "finish_reason": None, "logprobs": None}

    def part(self, index: int, delta: Delta) -> dict[str, Any]:
        choice = {
            "index": index,
            "delta": {"content": self._certain(index, delta.text)},
            "finish_reason": None,
            "logprobs": self._logprobs(delta.tokens),
        }
        return choice | ({"token_ids": [t.id for t in delta.tokens]} if self.body.return_token_ids else {})

    def last(self, index: int, text: str, done: Generated) -> dict[str, Any]:
        reply = self._reply(done.text)
        rest = reply.text[self._sent[index] :] if self.form is not None else text
        delta: dict[str, Any] = {"content": rest} if rest else {}
        if reply.calls:
            delta["tool_calls"] = [{"index": n} | call for n, call in enumerate(reply.calls)]
        return {"index": index, "delta": delta, "finish_reason": _finish(done, reply), "logprobs": None}

    def _reply(self, text: str) -> Reply:
        if self.form is None:
            return Reply(text, [])
        names = [tool.function.name for tool in self.body.tools or ()]
        return read_reply(self.form, text, names, several=self.body.parallel_tool_calls is not False)

    def _certain(self, index: int, text: str) -> str:
        if self.form is None:
            return text
        self._text[index] += text
        certain = sure_text(self.form, self._text[index])
        piece, self._sent[index] = certain[self._sent[index] :], max(self._sent[index], len(certain))
        return piece

    def _logprobs(self, tokens: list[TokenInfo]) -> dict[str, Any] | None:
        if not self.body.logprobs:
            return None
        return chat_logprobs(self.codec, tokens, self.body.top_logprobs or 0)


def _finish(done: Generated, reply: Reply) -> str:
    return "tool_calls" if reply.calls and done.finish_reason == "stop" else done.finish_reason
