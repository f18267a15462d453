"""Request schemas of text-generation-inference (TGI). Unsupported options are refused with their name."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import BeforeValidator, Field, model_validator

from a3t_contracts.schemas.base import MAX_INT
from a3t_contracts.schemas.policy import Sampling

from .neutral import ClientSchema, Unserved

__all__ = ["GenerateRequest", "Parameters"]

_NO_GRAMMAR = "This service does not constrain decoding: say in the prompt what form you want, and check the reply."


class Parameters(ClientSchema):
    """TGI's `parameters`: how to generate, and what to report."""

    adapter_id: str | None = Field(None, description="Adapter version; null takes the live version")
    details: bool | None = Field(
        False, description="Whether the reply has tokens, log-probabilities and the finish reason"
    )
    do_sample: bool | None = Field(
        False, description="Whether to sample; false is greedy unless `temperature`, `top_k` or `top_p` is given"
    )
    max_new_tokens: int | None = Field(
        100, ge=1, le=4096, description="Largest number of tokens to generate; null is 100"
    )
    return_full_text: bool | None = Field(False, description="Whether the text begins with the prompt")
    seed: int | None = Field(None, ge=0, lt=2**64, description="Seed of the sampling; null draws a seed")
    stop: list[Annotated[str, Field(max_length=1024)]] | None = Field(
        None,
        max_length=16,
        description="Strings that end the text, at most 16; the text keeps the one that ended it, as in TGI",
    )
    temperature: float | None = Field(None, gt=0, le=5, description="Sampling temperature; null is 1 if sampling is on")
    top_k: int | None = Field(
        None, gt=0, le=MAX_INT, description="Number of most likely tokens that are sampled from; null is off"
    )
    top_p: float | None = Field(
        None, gt=0, le=1, description="Nucleus sampling: probability mass that is sampled from; null is off"
    )
    top_n_tokens: int | None = Field(
        None, ge=0, le=20, description="Number of most likely tokens to report for each generated token"
    )
    truncate: int | None = Field(
        None, ge=1, le=MAX_INT, description="Number of tokens at the end of the prompt that are kept; null keeps all"
    )

    unserved: ClassVar[dict[str, Unserved]] = {
        "best_of": Unserved(1),
        "frequency_penalty": Unserved(0),
        "grammar": Unserved(hint=_NO_GRAMMAR),
        "repetition_penalty": Unserved(1),
        "typical_p": Unserved(1),
        "watermark": Unserved(False),
        "decoder_input_details": Unserved(False),
    }

    @model_validator(mode="after")
    def _some_stop_strings(self) -> Self:
        if any(not s for s in self.stop or ()):
            raise ValueError("stop: an empty stop string would end every completion at once")
        return self

    def sampling(self) -> Sampling:
        """How to sample: greedily unless `do_sample`, a temperature, `top_k` or `top_p` asks for sampling."""
        warm = self.do_sample or any(v is not None for v in (self.temperature, self.top_k, self.top_p))
        return Sampling(
            temperature=(self.temperature or 1.0) if warm else 0.0,
            top_p=self.top_p or 1.0,
            top_k=self.top_k or 0,
            max_tokens=self.max_new_tokens or 100,
            seed=self.seed,
        )


def _given(parameters: Any) -> Any:
    return {} if parameters is None else parameters


class GenerateRequest(ClientSchema):
    """Body of TGI's `POST /generate`, `/generate_stream` and `/`."""

    inputs: str = Field(description="The prompt")
    parameters: Annotated[Parameters, BeforeValidator(_given)] = Field(
        default_factory=Parameters, description="How to generate"
    )
    stream: bool | None = Field(False, description="For `POST /` only: whether the reply comes as server-sent events")
    model: str | None = Field(None, description="Accepted and ignored; `parameters.adapter_id` names the version")
