"""Requests of text-generation-inference, as far as this service serves them. Unknown keys are refused."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from a3t_contracts.schemas.base import MAX_INT, Schema
from a3t_contracts.schemas.policy import Sampling

__all__ = ["GenerateRequest", "Parameters"]

_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "best_of": (None, 1),
    "frequency_penalty": (None, 0),
    "grammar": (None,),
    "repetition_penalty": (None, 1),
    "typical_p": (None, 1),
    "watermark": (None, False),
    "decoder_input_details": (None, False),
}


class Parameters(Schema):
    adapter_id: str | None = Field(None, description="Adapter version; null: the version live now")
    details: bool | None = Field(False, description="Add tokens, log-probabilities and the finish reason")
    do_sample: bool | None = False
    max_new_tokens: int | None = Field(100, ge=1, le=4096)
    return_full_text: bool | None = False
    seed: int | None = Field(None, ge=0, lt=2**64)
    stop: list[Annotated[str, Field(max_length=1024)]] | None = Field(None, max_length=16)
    temperature: float | None = Field(None, gt=0, le=5)
    top_k: int | None = Field(None, gt=0, le=MAX_INT)
    top_p: float | None = Field(None, gt=0, le=1)
    top_n_tokens: int | None = Field(None, ge=0, le=20)
    truncate: int | None = Field(None, ge=1, le=MAX_INT, description="Keep this many tokens at the end of the prompt")

    best_of: int | None = Field(None, ge=1, le=128)
    decoder_input_details: bool | None = None
    frequency_penalty: float | None = Field(None, ge=-100, le=100)
    grammar: Any = None
    repetition_penalty: float | None = Field(None, ge=-100, le=100)
    typical_p: float | None = Field(None, ge=-100, le=100)
    watermark: bool | None = None

    @model_validator(mode="after")
    def _refuse_what_is_not_served(self) -> Self:
        for name, neutral in _NEUTRAL.items():
            if getattr(self, name) not in neutral:
                raise ValueError(f"{name} is not supported; leave it out")
        if any(not s for s in self.stop or ()):
            raise ValueError("stop: an empty stop string would end every completion at once")
        return self

    def sampling(self) -> Sampling:
        """Greedy unless sampling is asked for, openly or by a temperature, top_k or top_p."""
        warm = self.do_sample or any(v is not None for v in (self.temperature, self.top_k, self.top_p))
        return Sampling(
            temperature=(self.temperature or 1.0) if warm else 0.0,
            top_p=self.top_p or 1.0,
            top_k=self.top_k or 0,
            max_tokens=self.max_new_tokens or 100,
            seed=self.seed,
        )


class GenerateRequest(Schema):
    inputs: str
    parameters: Parameters = Field(default_factory=Parameters)
    stream: bool = False
    model: str | None = None
