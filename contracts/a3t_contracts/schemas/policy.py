"""The contract of the policy service's own endpoints (`/v1/act`, adapters)."""

from __future__ import annotations

from pydantic import Field

from ..errors import Problem
from ..react.history import History
from .base import Schema

__all__ = [
    "ActReply",
    "ActRequest",
    "ActResult",
    "ActTurn",
    "LoadAdapter",
    "ModelCard",
    "ModelList",
    "Sampling",
]


class Sampling(Schema):
    """How a turn is decoded. temperature 0 is greedy."""

    temperature: float = Field(0.0, ge=0, le=5)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: off")
    max_tokens: int = Field(256, ge=1, le=4096)
    seed: int | None = Field(None, ge=0, description="Same seed, same prompt, same version: same tokens")


class ActTurn(Schema):
    """One history for which a thought and an action are wanted."""

    history: History
    model: str | None = Field(None, description="Adapter version; null: the one live now")
    sampling: Sampling = Field(default_factory=Sampling)
    logprobs: bool = True


class ActRequest(Schema):
    turns: list[ActTurn] = Field(min_length=1, max_length=1024)


class ActResult(Schema):
    thought: str | None
    action: str = Field(description="Empty where the completion holds no action")
    completion: str
    completion_ids: list[int] | None = Field(None, description="As generated; null where the backend gives none")
    logprobs: list[float] | None = None
    prompt_tokens: int
    model: str = Field(description="Version whose weights produced the completion")
    finish_reason: str = Field(description="stop, or length")


class ActReply(Schema):
    """In the order of the request; a turn that failed has its problem in place of a result."""

    results: list[ActResult | Problem]


class LoadAdapter(Schema):
    """Body of `/v1/load_lora_adapter` (vLLM's names)."""

    lora_name: str
    lora_path: str | None = Field(None, description="Folder; null: the registry's folder of that name")
    make_default: bool = Field(True, description="Serve it to requests that name no model")


class ModelCard(Schema):
    """One entry of `GET /v1/models`."""

    id: str
    object: str = "model"
    created: int = 0
    owned_by: str = "a3t"
    root: str | None = None
    parent: str | None = None
    live: bool = Field(False, description="Serves requests that name no model")


class ModelList(Schema):
    object: str = "list"
    data: list[ModelCard]
