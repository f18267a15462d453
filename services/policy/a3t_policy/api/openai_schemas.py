"""Requests and replies of OpenAI's completions, as far as this service serves them. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from a3t_contracts.schemas.base import MAX_INT, Schema, TokenIds
from a3t_contracts.schemas.policy import Sampling

__all__ = ["ChatMessage", "ChatRequest", "CommonRequest", "CompletionRequest", "StreamOptions"]

MAX_SEQUENCES = 1024
"""Completions of one request at most."""
StopString = Annotated[str, Field(max_length=1024)]
Penalty = Annotated[float, Field(ge=-100, le=100)]
Texts = Annotated[list[str], Field(max_length=MAX_SEQUENCES, fail_fast=True)]
TokenLists = Annotated[list[TokenIds], Field(max_length=MAX_SEQUENCES, fail_fast=True)]

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "presence_penalty": (None, 0),
    "frequency_penalty": (None, 0),
    "repetition_penalty": (None, 1),
    "min_p": (None, 0),
    "logit_bias": (None, {}),
    "suffix": (None, ""),
    "tools": (None, []),
    "tool_choice": (None, "none", "auto"),
    "response_format": (None, {"type": "text"}),
}


class StreamOptions(Schema):
    include_usage: bool = False
    include_obfuscation: bool = False
    continuous_usage_stats: bool = False


class CommonRequest(Schema):
    """What both kinds of completion share. `top_k`, `return_token_ids` and `ignore_eos` are vLLM's names."""

    model: str | None = Field(None, description="Base model or adapter version; null: the version live now")
    temperature: float | None = Field(1.0, ge=0, le=5)
    top_p: float | None = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=-1, le=MAX_INT, description="0 and -1: off")
    n: int | None = Field(1, ge=1, le=128)
    seed: int | None = Field(None, ge=-(2**63), lt=2**63)
    stop: StopString | Annotated[list[StopString], Field(max_length=16)] | None = None
    stream: bool | None = False
    stream_options: StreamOptions | None = None
    return_token_ids: bool | None = Field(False, description="Add `token_ids` to each choice")
    ignore_eos: bool = False
    user: str | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None

    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    repetition_penalty: Penalty | None = None
    min_p: Penalty | None = None
    logit_bias: dict[str, Penalty] | None = Field(None, max_length=1024)
    suffix: str | None = None
    tools: list[dict[str, Any]] | None = Field(None, max_length=1024)
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _refuse_what_is_not_served(self) -> Self:
        for name, neutral in _NEUTRAL.items():
            if getattr(self, name) not in neutral:
                raise ValueError(f"{name} is not supported; leave it out")
        if any(not s for s in self.stop_strings):
            raise ValueError("stop: an empty stop string would end every completion at once")
        if len(self.stop_strings) > 16:
            raise ValueError("stop: 16 stop strings at most")
        return self

    @property
    def stop_strings(self) -> tuple[str, ...]:
        return () if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def choices(self) -> int:
        return self.n or 1

    def sampling(self, max_tokens: int, seed: int | None) -> Sampling:
        """The sampling of one choice."""
        return Sampling(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=self.top_p or 1.0,
            top_k=max(0, self.top_k),
            max_tokens=max_tokens,
            seed=None if seed is None else seed % 2**63,
        )


class CompletionRequest(CommonRequest):
    prompt: str | Texts | TokenIds | TokenLists
    max_tokens: int | None = Field(16, ge=1, le=4096)
    logprobs: int | None = Field(None, ge=0, le=20)
    echo: bool | None = False
    best_of: int | None = Field(None, ge=1, le=128)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.best_of not in (None, self.choices):
            raise ValueError("best_of is not supported; leave it out")
        if self.echo and self.logprobs is not None:
            raise ValueError("echo with logprobs is not supported; ask for one of them")
        return self

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, one or many, as texts or token ids."""
        if isinstance(self.prompt, str):
            return [self.prompt]
        if self.prompt and isinstance(self.prompt[0], int):
            return [[i for i in self.prompt if isinstance(i, int)]]
        return [p for p in self.prompt if not isinstance(p, int)]


class ChatMessage(Schema):
    role: Literal["system", "developer", "user", "assistant"]
    content: str | Annotated[list[dict[str, Any]], Field(max_length=4096, fail_fast=True)] | None = None
    name: str | None = None

    @property
    def text(self) -> str:
        """The content as one string. Raises ValueError for parts that are not text."""
        if self.content is None or isinstance(self.content, str):
            return self.content or ""
        if any(part.get("type") != "text" or not isinstance(part.get("text"), str) for part in self.content):
            raise ValueError("messages: only text content is supported")
        return "".join(part["text"] for part in self.content)


class ChatRequest(CommonRequest):
    messages: Annotated[list[ChatMessage], Field(fail_fast=True)] = Field(min_length=1, max_length=4096)
    max_tokens: int | None = Field(None, ge=1, le=4096)
    max_completion_tokens: int | None = Field(None, ge=1, le=4096)
    logprobs: bool | None = False
    top_logprobs: int | None = Field(None, ge=0, le=20)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs=true")
        for message in self.messages:
            _ = message.text
        return self
