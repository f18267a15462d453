"""Request schemas of OpenAI's completions and chat completions. Unsupported options are refused with their name."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from a3t_contracts.schemas.base import MAX_INT, TokenIds
from a3t_contracts.schemas.policy import Sampling

from .messages import ChatMessage
from .neutral import ClientSchema, Unserved
from .tools import Tool

__all__ = ["ChatRequest", "CommonRequest", "CompletionRequest", "StreamOptions"]

MAX_SEQUENCES = 1024
"""Largest number of completions in one request."""
StopString = Annotated[str, Field(max_length=1024)]
Texts = Annotated[list[str], Field(max_length=MAX_SEQUENCES, fail_fast=True)]
TokenLists = Annotated[list[TokenIds], Field(max_length=MAX_SEQUENCES, fail_fast=True)]

_NO_GRAMMAR = "This service does not constrain decoding: say in the prompt what form you want, and check the reply."

_UNSERVED = {
    "presence_penalty": Unserved(0),
    "frequency_penalty": Unserved(0),
    "repetition_penalty": Unserved(1),
    "length_penalty": Unserved(1),
    "min_p": Unserved(0),
    "min_tokens": Unserved(0),
    "logit_bias": Unserved(),
    "stop_token_ids": Unserved(hint="Use stop, with strings."),
    "use_beam_search": Unserved(False),
    "include_stop_str_in_output": Unserved(False),
    "skip_special_tokens": Unserved(True),
    "spaces_between_special_tokens": Unserved(True),
    "add_special_tokens": Unserved(True),
    "priority": Unserved(0),
    "response_format": Unserved({"type": "text"}, hint=_NO_GRAMMAR),
    "guided_json": Unserved(hint=_NO_GRAMMAR),
    "guided_regex": Unserved(hint=_NO_GRAMMAR),
    "guided_choice": Unserved(hint=_NO_GRAMMAR),
    "guided_grammar": Unserved(hint=_NO_GRAMMAR),
    "structured_outputs": Unserved(hint=_NO_GRAMMAR),
    "store": Unserved(False, hint="This service stores no replies: keep the reply yourself."),
    "service_tier": Unserved("auto", "default"),
}


class StreamOptions(ClientSchema):
    """OpenAI's `stream_options`."""

    include_usage: bool | None = Field(
        False, description="Whether a last chunk reports the token counts of the request"
    )
    include_obfuscation: bool | None = Field(False, description="Accepted and ignored")
    continuous_usage_stats: bool | None = Field(False, description="Accepted and ignored")


class CommonRequest(ClientSchema):
    """Fields that text and chat completions share. `top_k`, `return_token_ids` and `ignore_eos` are those of vLLM."""

    model: str | None = Field(None, description="Base model or adapter version; null takes the live version")
    temperature: float | None = Field(1.0, ge=0, le=5, description="Sampling temperature; 0 is greedy, null is 1")
    top_p: float | None = Field(
        1.0,
        gt=0,
        le=1,
        description="Nucleus sampling: probability mass that is sampled from; 1 and null are off",
    )
    top_k: int | None = Field(
        0, ge=-1, le=MAX_INT, description="Number of most likely tokens to sample from; 0 and -1 sample from all"
    )
    n: int | None = Field(1, ge=1, le=128, description="Number of completions of each prompt")
    seed: int | None = Field(
        None,
        ge=-(2**63),
        lt=2**63,
        description="Seed of the sampling; the same seed gives the same text. Null draws a seed",
    )
    stop: StopString | Annotated[list[StopString], Field(max_length=16)] | None = Field(
        None, description="Strings that end a completion, at most 16; the text ends before them"
    )
    stream: bool | None = Field(
        False, description="Whether the reply comes as server-sent events while it is generated"
    )
    stream_options: StreamOptions | None = Field(None, description="Options of a streamed reply")
    return_token_ids: bool | None = Field(False, description="Whether each choice has `token_ids`")
    ignore_eos: bool | None = Field(False, description="Whether generation goes on after the end-of-text token")
    user: str | None = Field(None, description="Accepted and ignored")
    safety_identifier: str | None = Field(None, description="Accepted and ignored")
    metadata: dict[str, str] | None = Field(None, description="Accepted and ignored")

    unserved: ClassVar[dict[str, Unserved]] = _UNSERVED

    @model_validator(mode="after")
    def _some_stop_strings(self) -> Self:
        if any(not s for s in self.stop_strings):
            raise ValueError("stop: an empty stop string would end every completion at once")
        if len(self.stop_strings) > 16:
            raise ValueError("stop: at most 16 stop strings are allowed")
        return self

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """The stop strings of the request; empty if it has none."""
        return () if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def choices(self) -> int:
        """Number of completions of each prompt; default: 1."""
        return self.n or 1

    def sampling(self, max_tokens: int, seed: int | None) -> Sampling:
        """The sampling settings of one choice."""
        return Sampling(
            temperature=1.0 if self.temperature is None else self.temperature,
            top_p=self.top_p or 1.0,
            top_k=max(0, self.top_k or 0),
            max_tokens=max_tokens,
            seed=None if seed is None else seed % 2**63,
        )


class CompletionRequest(CommonRequest):
    """Body of `POST /v1/completions`."""

    prompt: str | Texts | TokenIds | TokenLists = Field(
        description="The prompt, or a list of prompts, each as text or as token ids"
    )
    max_tokens: int | None = Field(16, ge=1, le=4096, description="Largest number of tokens to generate; null is 16")
    logprobs: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Number of most likely tokens to report for each generated token; null reports none",
    )
    echo: bool | None = Field(False, description="Whether the text begins with the prompt")
    best_of: int | None = Field(None, ge=1, le=128, description="Only the value of `n` is accepted")

    unserved: ClassVar[dict[str, Unserved]] = _UNSERVED | {"suffix": Unserved()}

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.best_of not in (None, self.choices):
            raise ValueError("best_of must have the value of n. Leave it out")
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


class ChatRequest(CommonRequest):
    """Body of `POST /v1/chat/completions`."""

    messages: Annotated[list[ChatMessage], Field(fail_fast=True)] = Field(
        min_length=1, max_length=4096, description="The conversation in order"
    )
    max_tokens: int | None = Field(
        None, ge=1, le=4096, description="Largest number of tokens to generate; null: as many as fit into the context"
    )
    max_completion_tokens: int | None = Field(None, ge=1, le=4096, description="OpenAI's newer name of `max_tokens`")
    logprobs: bool | None = Field(False, description="Whether the log-probability of each generated token is reported")
    top_logprobs: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Number of most likely tokens to report for each generated token; needs `logprobs`",
    )
    tools: list[Tool] | None = Field(None, max_length=128, description="Tools that the model may call")
    tool_choice: str | dict[str, Any] | None = Field(
        None, description="Whether the model may call tools: `none` or `auto`; the default is auto if there are tools"
    )
    parallel_tool_calls: bool | None = Field(
        None, description="Whether a reply may have several calls; false keeps only the first"
    )
    prompt_cache_key: str | None = Field(
        None, description="Accepted and ignored: the cache finds shared prefixes without it"
    )
    prompt_cache_retention: str | None = Field(None, description="Accepted and ignored")

    unserved: ClassVar[dict[str, Unserved]] = _UNSERVED | {
        "functions": Unserved(hint="Send tools, which replaced it."),
        "function_call": Unserved("none", "auto", hint="Send tool_choice, which replaced it."),
        "tool_prompt": Unserved(hint="Write it into a system message."),
        "modalities": Unserved(["text"]),
        "audio": Unserved(),
        "prediction": Unserved(),
        "web_search_options": Unserved(),
        "moderation": Unserved(),
        "reasoning_effort": Unserved("none", hint="The base models have no reasoning mode: leave it out."),
        "verbosity": Unserved("medium", hint="Say in the prompt how long the reply should be."),
        "echo": Unserved(False),
        "add_generation_prompt": Unserved(True),
        "continue_final_message": Unserved(False),
        "chat_template": Unserved(hint="The base model's template is always used."),
        "chat_template_kwargs": Unserved(hint="The base model's template is used without arguments."),
    }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.top_logprobs and not self.logprobs:
            raise ValueError("top_logprobs needs logprobs=true")
        if self.tool_choice not in (None, "none", "auto", "", {}):
            raise ValueError(
                "tool_choice: a call cannot be forced, because this service does not constrain decoding. Send auto or "
                "none, and say in the prompt that the model must call the tool"
            )
        return self

    @property
    def tools_in_play(self) -> list[dict[str, Any]]:
        """The tools that the reply may call, in the form of chat templates."""
        return [tool.row() for tool in self.tools or ()] if self.tool_choice != "none" else []
