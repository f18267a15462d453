"""Schemas of the policy service's own endpoints (`/v1/act`, adapters)."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..errors import Problem
from .base import MAX_INT, MAX_SEED, Schema, TokenIds
from .origin import Origin
from .trajectory import History, PromptStyle

__all__ = [
    "ActReply",
    "ActRequest",
    "ActResult",
    "ActTurn",
    "LiveState",
    "LoadAdapter",
    "ModelCard",
    "ModelList",
    "Sampling",
    "TokenQuery",
    "TokenTexts",
]


class Sampling(Schema):
    """How a completion is generated."""

    temperature: float = Field(0.0, ge=0, le=5, description="Sampling temperature; 0 is greedy")
    top_p: float = Field(
        1.0, gt=0, le=1, description="Probability mass that nucleus sampling keeps; 1 keeps all tokens"
    )
    top_k: int = Field(
        0, ge=0, le=MAX_INT, description="Number of most likely tokens to sample from; 0 samples from all tokens"
    )
    max_tokens: int = Field(256, ge=1, le=4096, description="Largest number of tokens to generate")
    seed: int | None = Field(
        None,
        ge=0,
        le=MAX_SEED,
        description="Seed of the draw. The same seed, prompt and version give the same tokens; null takes a new seed "
        "each time",
    )


class ActTurn(Schema):
    """A history for which the policy is to generate the next thought and action."""

    history: History = Field(description="What the agent has seen and done so far")
    model: str | None = Field(None, description="Adapter version to generate with; null takes the live one")
    sampling: Sampling = Field(default_factory=Sampling, description="How to generate")
    logprobs: bool = Field(True, description="Whether the log-probabilities of the generated tokens are returned")
    origin: Origin | None = Field(None, description="Episode that the turn belongs to, for logs and traces")


class ActRequest(Schema):
    """Turns of many episodes, which are generated together."""

    turns: Annotated[list[ActTurn], Field(fail_fast=True)] = Field(
        min_length=1, max_length=1024, description="Turns to generate"
    )


class ActResult(Schema):
    """One generated turn."""

    thought: str | None = Field(description="The thought; null where the completion has none")
    action: str = Field(description="The action; empty where the completion has none")
    completion: str = Field(description="The generated text, thought and action together")
    completion_ids: list[int] | None = Field(
        None, description="Ids of the generated tokens; null where the backend does not return them"
    )
    logprobs: list[float] | None = Field(
        None,
        description="Natural log-probability of each generated token; null where they were not asked for or are not "
        "known",
    )
    prompt_tokens: int = Field(description="Number of tokens in the prompt")
    model: str = Field(description="Adapter version whose weights generated the completion")
    finish_reason: str = Field(
        description="Why generation ended: `stop` at the end of the turn, `length` at `max_tokens`"
    )
    made_up_observation: bool = Field(
        False,
        description="Whether the model began an observation before its action line had ended; the turn is cut in front "
        "of it",
    )


class ActReply(Schema):
    """Results in the order of the request. A turn that failed has a problem document in place of a result."""

    results: list[ActResult | Problem] = Field(description="One result or problem document for each turn")


class LoadAdapter(Schema):
    """Body of `POST /v1/load_lora_adapter`, with the field names of vLLM."""

    lora_name: str = Field(description="Name of the adapter version")
    lora_path: str | None = Field(
        None, description="Folder of the version; null takes the folder of that name in the registry"
    )
    make_default: bool = Field(
        False,
        description="Whether the version also goes live: the registry's live pointer is moved to it, and every "
        "replica follows the pointer",
    )


class LiveState(Schema):
    """The version that a policy service uses for requests without a model, and the version that the registry's live
    pointer names."""

    live: str = Field(description="Adapter version, or the base model's name")
    pointer: str | None = Field(None, description="Version that the registry's pointer names; null for the base")
    refused: str | None = Field(
        None, description="Why the pointer's version is not live in this service; null where it is"
    )


class ModelCard(Schema):
    """One entry of `GET /v1/models`."""

    id: str = Field(description="Name of the model: the base model or an adapter version")
    object: str = Field("model", description="Kind of the object, as in the OpenAI API")
    created: int = Field(0, description="Time of creation, in seconds since 1970 (UTC); 0 where it is not known")
    owned_by: str = Field("a3t", description="Owner, as in the OpenAI API")
    root: str | None = Field(None, description="Folder of an adapter version, or name of the base model")
    parent: str | None = Field(None, description="Base model of an adapter version; null for the base model itself")
    live: bool = Field(False, description="Whether the model serves requests that name no model")
    prompt: PromptStyle = Field(
        PromptStyle.plain,
        description="How the model reads a history: in the style that it was trained with, where that is known; else "
        "`chat` for a base whose chat template writes every turn in the same way, and `plain` for others",
    )


class ModelList(Schema):
    """Reply of `GET /v1/models`."""

    object: str = Field("list", description="Kind of the object, as in the OpenAI API")
    data: list[ModelCard] = Field(description="The models that are loaded")


class TokenQuery(Schema):
    """Body of `POST /v1/detokenize`."""

    ids: TokenIds = Field(max_length=65_536, description="Ids of tokens of the base model")


class TokenTexts(Schema):
    """Reply of `POST /v1/detokenize`."""

    texts: list[str] = Field(
        description="Text of each token on its own; `bytes:\\x…` for a part of a character, empty for an unknown id"
    )
