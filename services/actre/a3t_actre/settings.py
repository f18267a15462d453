"""Settings of the ActRe service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, TypeAdapter, field_validator, model_validator

from a3t_contracts.settings import ServiceSettings

__all__ = ["ActReSettings"]


class ActReSettings(ServiceSettings):
    """Settings of the ActRe service, read from the environment: A3T_ACTRE_ANNOTATOR, A3T_ACTRE_UPSTREAM_URL, …"""

    port: int = Field(8103, ge=1, le=65535, description="TCP port to listen on")
    actre_max_body_bytes: int = Field(
        8 * 2**20, gt=0, description="Largest request body in bytes; a larger one is refused with 413"
    )

    actre_annotator: str = Field(
        "template", description="Annotator of requests that name none: template, llm, or the name of an installed one"
    )
    actre_concurrency: int = Field(
        32, ge=1, le=1024, description="Largest number of reasons that are written at the same time"
    )
    actre_queue: int = Field(4096, ge=1, description="Largest number of unfinished queries; further requests get 429")

    actre_backend: Literal["openai", "tgi"] = Field("openai", description="API of the LLM server: openai or tgi")
    actre_openai_api: Literal["completions", "chat"] = Field(
        "completions", description="Endpoint of an openai server; chat is for servers without text completions"
    )
    actre_upstream_url: str | None = Field(None, description="Base URL of the LLM server; for openai it ends in /v1")
    actre_upstream_token: SecretStr | None = Field(None, description="Bearer token for the LLM server; unset: none")
    actre_model: str | None = Field(
        None, description="Name of the model in requests; unset: the first one that the server lists"
    )
    actre_prompt: str = Field("v1", pattern=r"^v\d+$", description="Version of the few-shot prompts")
    actre_temperature: float = Field(
        0.0, ge=0, le=2, description="Sampling temperature of the first attempt; later attempts use at least 0.7"
    )
    actre_max_tokens: int = Field(
        96, ge=8, le=1024, description="Largest number of tokens that are generated for a reason"
    )
    actre_max_words: int = Field(
        80,
        ge=5,
        le=500,
        description="Largest number of words of a reason; a longer one is cut after a sentence, or refused",
    )
    actre_max_prompt_chars: int = Field(
        24_000,
        ge=2000,
        description="Largest number of characters of a prompt; the oldest turns of a longer one are left out",
    )
    actre_timeout: float = Field(30.0, gt=0, le=600, description="Seconds that one call to the LLM server may take")
    actre_deadline: float = Field(
        90.0, gt=0, le=3600, description="Seconds that a reason may take, all attempts together"
    )
    actre_retries: int = Field(2, ge=0, le=10, description="Largest number of attempts after the first one")
    actre_fallback: Literal["template", "fail"] = Field(
        "template",
        description="What happens after the last attempt. template: the annotator template writes the reason; fail: "
        "the query fails",
    )
    actre_cache_dir: Path | None = Field(
        None, description="Folder of the cache of reasons; unset: `cache/actre` in A3T_HOME"
    )
    actre_cache_mb: int = Field(256, ge=0, description="Size of the cache in MB; 0 turns it off")

    @property
    def cache_path(self) -> Path:
        """Folder of the cache of reasons."""
        return self.actre_cache_dir or self.home / "cache" / "actre"

    @field_validator("actre_upstream_url")
    @classmethod
    def _is_a_web_address(cls, url: str | None) -> str | None:
        if url:
            TypeAdapter(AnyHttpUrl).validate_python(url)
        return url or None

    @model_validator(mode="after")
    def _llm_needs_an_upstream(self) -> Self:
        if self.actre_annotator == "llm" and not self.actre_upstream_url:
            raise ValueError("A3T_ACTRE_ANNOTATOR=llm needs A3T_ACTRE_UPSTREAM_URL, the LLM server to ask")
        return self
