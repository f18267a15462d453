"""Settings of the ActRe service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import AnyHttpUrl, Field, SecretStr, TypeAdapter, field_validator, model_validator

from a3t_contracts.settings import ServiceSettings

__all__ = ["ActReSettings"]


class ActReSettings(ServiceSettings):
    """Read from the environment: A3T_ACTRE_ANNOTATOR, A3T_ACTRE_UPSTREAM_URL, …"""

    port: int = Field(8103, ge=1, le=65535, description="TCP port to listen on")
    actre_max_body_bytes: int = Field(8 * 2**20, gt=0, description="Larger request bodies are refused with 413")

    actre_annotator: str = Field(
        "template", description="Who writes a reason by default: template, llm, or the name of an installed annotator"
    )
    actre_concurrency: int = Field(32, ge=1, le=1024, description="Reasons in the making at once")
    actre_queue: int = Field(4096, ge=1, description="Waiting queries above which a request is answered 429")

    actre_backend: Literal["openai", "tgi"] = Field("openai", description="What the upstream server speaks")
    actre_openai_api: Literal["completions", "chat"] = Field(
        "completions", description="Endpoint of the openai backend; chat for servers without text completions"
    )
    actre_upstream_url: str | None = Field(None, description="Base URL of the LLM server; for openai with its /v1")
    actre_upstream_token: SecretStr | None = Field(None, description="Bearer token that the LLM server wants")
    actre_model: str | None = Field(None, description="Model to name in requests; unset: the server's first")
    actre_prompt: str = Field("v1", pattern=r"^v\d+$", description="Version of the few-shot prompts")
    actre_temperature: float = Field(0.0, ge=0, le=2, description="First attempt; later ones use at least 0.7")
    actre_max_tokens: int = Field(96, ge=8, le=1024, description="Longest reason that is generated, in tokens")
    actre_max_words: int = Field(80, ge=5, le=500, description="A longer reason is cut after a sentence, or refused")
    actre_max_prompt_chars: int = Field(24_000, ge=2000, description="Older turns of a longer history are left out")
    actre_timeout: float = Field(30.0, gt=0, le=600, description="Seconds that one upstream call may take")
    actre_deadline: float = Field(90.0, gt=0, le=3600, description="Seconds for a reason, all attempts included")
    actre_retries: int = Field(2, ge=0, le=10, description="Further attempts after a failure or an unusable reason")
    actre_fallback: Literal["template", "fail"] = Field("template", description="What follows the last attempt")
    actre_cache_dir: Path | None = Field(None, description="Cache of replies by prompt; unset: <home>/cache/actre")
    actre_cache_mb: int = Field(256, ge=0, description="Size of the cache; 0 turns it off")

    @property
    def cache_path(self) -> Path:
        """Folder of the reply cache."""
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
