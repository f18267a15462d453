"""Settings of the policy service."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from a3t_contracts.settings import ServiceSettings

from .episodes.limits import EpisodeLimits

__all__ = ["PolicySettings"]


class PolicySettings(ServiceSettings):
    """Read from the environment: A3T_POLICY_BASE_MODEL, A3T_POLICY_BACKEND, …"""

    port: int = Field(8102, ge=1, le=65535, description="TCP port to listen on")
    policy_max_body_bytes: int = Field(16 * 2**20, gt=0, description="Larger request bodies are refused with 413")

    policy_base_model: str = Field("a3t/tiny", description="Base model: `a3t/…`, a folder, or a hub id")
    policy_backend: Literal["local", "openai", "tgi"] = Field(
        "local", description="local: the engine in this process; openai (vLLM, SGLang, …) and tgi: servers behind it"
    )

    policy_device: str = Field("auto", description="cpu, cuda, cuda:1, …; auto: a GPU if there is one")
    policy_dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="auto: float32 on CPU, bfloat16 on GPU"
    )
    policy_quantisation: Literal["none", "nf4"] = Field("none", description="nf4: 4-bit base through bitsandbytes")
    policy_threads: int | None = Field(
        None, ge=1, description="CPU threads of the engine; unset: 1 for small models (exact batch invariance)"
    )
    policy_merge_below: int = Field(
        200_000_000, ge=0, description="Parameters below which each adapter is merged into its own copy of the base"
    )

    policy_max_batch: int = Field(64, ge=1, le=4096, description="Sequences decoded at once")
    policy_slots: int | None = Field(
        None, ge=1, description="KV slots, running and cached; unset: twice policy_max_batch, as far as memory allows"
    )
    policy_max_context: int = Field(4096, ge=16, description="Tokens of prompt and completion together, at most")
    policy_prefill_tokens: int = Field(2048, ge=16, description="Prompt tokens computed between two decoding steps")
    policy_max_queue: int = Field(2048, ge=1, description="Waiting sequences beyond which requests get 429")
    policy_request_seconds: float = Field(600.0, gt=0, description="A sequence older than this ends with 504")

    policy_max_adapters: int = Field(4, ge=1, description="Adapter versions held; the least recently used one leaves")
    policy_live: Literal["registry", "own"] = Field(
        "registry",
        description="What decides which version is live: the registry's pointer, the same for every replica; or "
        "`make_default` of this service alone, which then is the only replica",
    )
    policy_watch_registry: float = Field(
        2.0, ge=0, description="Seconds between looks at the registry's pointer; 0: only at the start and when told"
    )
    policy_restore: Literal["state", "none"] = Field(
        "state", description="After a start hold the versions again that were held before, beside the live one, or none"
    )
    trainer_url: str | None = Field(
        None, description="Address of the trainer service, which moves the pointer for `make_default`; unset: refused"
    )

    policy_episodes_open: int = Field(
        1000, ge=1, description="Recorded episodes that are open at once; one more gets 429"
    )
    policy_episodes_kept: int = Field(10_000, ge=1, description="Closed recorded episodes; the oldest leave first")
    policy_episode_max_bytes: int = Field(
        64 * 2**20, gt=0, description="Size of a recorded episode; then requests get 413"
    )
    policy_episode_idle_seconds: float = Field(
        86_400.0, gt=0, description="An open episode that was unused for so long makes room where too many are open"
    )

    policy_upstreams: str = Field("", description="Base URLs of the servers behind this one, separated by commas")
    policy_upstream_model: str | None = Field(None, description="Name of the base model at the upstreams")
    policy_upstream_token: SecretStr = Field(SecretStr(""), description="Bearer token for the upstreams")
    policy_upstream_token_ids: bool = Field(
        True, description="The upstreams take and return token ids (vLLM's return_token_ids); false: text alone"
    )
    policy_upstream_registry: str | None = Field(
        None, description="The registry's folder as the upstreams see it; unset: the same as here"
    )
    policy_upstream_timeout: float = Field(60.0, gt=0, description="Seconds that one call to an upstream may take")
    policy_upstream_concurrency: int = Field(64, ge=1, description="Calls in flight to each upstream")

    @property
    def upstream_urls(self) -> list[str]:
        """The upstreams in the order of preference."""
        return [url.strip().rstrip("/") for url in self.policy_upstreams.split(",") if url.strip()]

    @property
    def state_file(self) -> Path:
        """Which versions are held is remembered here across restarts."""
        return self.home / "policy" / f"state-{self.port}.json"

    @property
    def episodes_folder(self) -> Path:
        """Recorded episodes; each replica has its own."""
        return self.home / "policy" / f"episodes-{self.port}"

    @property
    def episode_limits(self) -> EpisodeLimits:
        """Bounds of what is recorded."""
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
