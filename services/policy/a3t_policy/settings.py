"""Settings of the policy service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from a3t_contracts.settings import ServiceSettings

from .episodes.limits import EpisodeLimits

__all__ = ["PolicySettings"]


class PolicySettings(ServiceSettings):
    """Settings of the policy service, read from the environment: A3T_POLICY_BASE_MODEL, A3T_POLICY_BACKEND, …"""

    port: int = Field(8102, ge=1, le=65535, description="TCP port to listen on")
    policy_max_body_bytes: int = Field(
        16 * 2**20, gt=0, description="Largest request body in bytes; a larger one is refused with 413"
    )

    policy_base_model: str = Field("a3t/tiny", description="Base model: `a3t/…`, a folder, or a Hugging Face Hub id")
    policy_backend: Literal["local", "openai", "tgi"] = Field(
        "local",
        description="What generates completions. local: the engine of this service; openai: servers with OpenAI's API "
        "(vLLM, SGLang, …); tgi: text-generation-inference servers",
    )

    policy_device: str = Field(
        "auto", description="Device of the engine: cpu, cuda, cuda:1, …; auto: a GPU if there is one"
    )
    policy_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the weights; auto: float32 on CPU, bfloat16 on GPU"
    )
    policy_quantisation: Literal["none", "nf4"] = Field(
        "none", description="Quantisation of the base; nf4: 4 bits, by bitsandbytes"
    )
    policy_threads: int | None = Field(
        None,
        ge=1,
        description="Number of CPU threads of the engine; unset: 1 for small models, whose results then do not depend "
        "on the batch",
    )
    policy_engine_processes: int = Field(
        1,
        ge=0,
        le=64,
        description="Number of engine processes of the local backend, behind one port. Results do not depend on it. 0: "
        "for a small base on a CPU one for each usable core, at most 4; else 1. With 1, the engine runs in the "
        "service's process",
    )
    policy_merge_below: int = Field(
        200_000_000,
        ge=0,
        description="A base with fewer parameters than this has a copy for each adapter, merged with it",
    )

    policy_max_batch: int = Field(
        64, ge=1, le=4096, description="Largest number of sequences that are generated at the same time"
    )
    policy_slots: int | None = Field(
        None,
        ge=1,
        description="Number of KV cache slots, for running sequences and cached prefixes; unset: twice "
        "A3T_POLICY_MAX_BATCH, or fewer if memory is short",
    )
    policy_max_context: int = Field(
        4096, ge=16, description="Largest number of tokens of prompt and completion together"
    )
    policy_prefill_tokens: int = Field(
        2048, ge=16, description="Largest number of prompt tokens that are computed between two decoding steps"
    )
    policy_max_queue: int = Field(
        2048, ge=1, description="Largest number of waiting sequences; further requests get 429"
    )
    policy_request_seconds: float = Field(
        600.0, gt=0, description="Seconds after which an unfinished sequence ends with 504"
    )

    policy_max_adapters: int = Field(
        4,
        ge=1,
        description="Largest number of loaded adapter versions; the least recently used one is unloaded for a new one",
    )
    policy_live: Literal["registry", "own"] = Field(
        "registry",
        description="What decides which version is live. registry: the registry's pointer, which is the same for every "
        "replica; own: `make_default` in requests to this service, which must then be the only replica",
    )
    policy_watch_registry: float = Field(
        2.0,
        ge=0,
        description="Seconds between two reads of the registry's pointer; 0: only at the start and on `POST /v1/live`",
    )
    policy_restore: Literal["state", "none"] = Field(
        "state",
        description="Which versions are loaded at the start in addition to the live one. state: those that were loaded "
        "before; none: no others",
    )
    trainer_url: str | None = Field(
        None,
        description="Address of the trainer service, which moves the registry's pointer; unset: `make_default` is "
        "refused",
    )

    policy_episodes_open: int = Field(
        1000, ge=1, description="Largest number of open recorded episodes; opening one more gets 429"
    )
    policy_episodes_kept: int = Field(
        10_000, ge=1, description="Number of closed recorded episodes that are kept; the oldest are deleted"
    )
    policy_episode_max_bytes: int = Field(
        64 * 2**20, gt=0, description="Largest size of a recorded episode in bytes; further requests in it get 413"
    )
    policy_episode_idle_seconds: float = Field(
        86_400.0,
        gt=0,
        description="Seconds without use after which an open episode may be deleted to make room for a new one",
    )

    policy_upstreams: str = Field("", description="Base URLs of the upstream servers, separated by commas")
    policy_upstream_model: str | None = Field(
        None, description="Name of the base model on the upstream servers; unset: the model that they list"
    )
    policy_upstream_token: SecretStr = Field(SecretStr(""), description="Bearer token for the upstream servers")
    policy_upstream_token_ids: bool = Field(
        True,
        description="Whether the upstream servers accept and return token ids (vLLM's `return_token_ids`); false: they "
        "only handle text",
    )
    policy_upstream_registry: str | None = Field(
        None, description="Path of the registry's folder on the upstream servers; unset: the same as here"
    )
    policy_upstream_timeout: float = Field(
        60.0, gt=0, description="Seconds that one call to an upstream server may take"
    )
    policy_upstream_first_timeout: float = Field(
        600.0,
        gt=0,
        description="Seconds that the first answer of an upstream server after its start may take, and loading an "
        "adapter version there; at least A3T_POLICY_UPSTREAM_TIMEOUT",
    )
    policy_upstream_concurrency: int = Field(
        64, ge=1, description="Largest number of running calls to each upstream server"
    )

    @property
    def upstream_urls(self) -> list[str]:
        """The upstream servers in the order of preference."""
        return [url.strip().rstrip("/") for url in self.policy_upstreams.split(",") if url.strip()]

    @property
    def state_file(self) -> Path:
        """File that lists the loaded versions, so that they are loaded again after a restart."""
        return self.home / "policy" / f"state-{self.port}.json"

    @property
    def episodes_folder(self) -> Path:
        """Folder of recorded episodes; each replica has its own."""
        return self.home / "policy" / f"episodes-{self.port}"

    @property
    def episode_limits(self) -> EpisodeLimits:
        """Limits of recorded episodes."""
        return EpisodeLimits(
            open=self.policy_episodes_open,
            kept=self.policy_episodes_kept,
            bytes=self.policy_episode_max_bytes,
            idle_seconds=self.policy_episode_idle_seconds,
        )

    @model_validator(mode="after")
    def _upstreams_where_needed(self) -> PolicySettings:
        if self.policy_backend != "local" and not self.upstream_urls:
            raise ValueError(f"A3T_POLICY_UPSTREAMS must name a server when A3T_POLICY_BACKEND={self.policy_backend}")
        return self
