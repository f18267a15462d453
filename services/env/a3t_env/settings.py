"""Settings of the env service, read from environment variables: `A3T_ENV_…`, and `A3T_…` for those that services
share.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr

from a3t_contracts.settings import ServiceSettings

__all__ = ["EnvSettings"]


class EnvSettings(ServiceSettings):
    """Settings of the env service."""

    port: int = Field(8101, ge=1, le=65535, description="TCP port to listen on")
    env_max_body_bytes: int = Field(
        4 * 2**20, gt=0, description="Largest request body in bytes; a larger one is refused with 413"
    )
    env_workers: int = Field(1, ge=1, le=64, description="Number of processes that serve HTTP and hold sessions")
    env_max_sessions: int = Field(
        4096, ge=1, description="Largest number of open sessions over all processes; a request for one more gets 429"
    )
    env_idle_seconds: float = Field(
        1800.0, gt=0, description="Seconds without a request after which a session is closed"
    )
    env_start_deadline: float = Field(
        120.0, gt=0, description="Seconds that the start of a session may take; after that the request gets 504"
    )
    env_step_deadline: float = Field(
        30.0, gt=0, description="Seconds that a step may take; after that the request gets 504 and the session ends"
    )
    env_threads: int = Field(
        32, ge=1, le=512, description="Number of threads in each process for each environment whose calls block"
    )
    env_required: str = Field(
        "",
        description="Names of environments, with commas between them, without which /ready answers 503. If empty, one "
        "usable environment is enough",
    )
    env_plugins: str = Field(
        "", description="Environments of your own: NAME=MODULE:CLASS, several with commas between them"
    )
    env_plugin_processes: int = Field(
        8,
        ge=1,
        le=256,
        description="Largest number of child processes for each environment of your own, in each process of the "
        "service",
    )
    env_remotes: str = Field(
        "", description="Environments behind HTTP: `NAME=http://HOST:PORT`, several with commas between them"
    )
    env_remote_tokens: SecretStr = Field(
        SecretStr(""),
        description="Bearer tokens for environments behind HTTP: `NAME=TOKEN`, several with commas between them",
    )
    env_remote_max_bytes: int = Field(
        2**20, gt=0, description="Largest reply of an environment behind HTTP to a step, in bytes"
    )
    env_remembered_ids: int = Field(
        10_000, ge=0, description="Number of closed sessions whose ids are remembered: they get 410, unknown ids 404"
    )

    @property
    def data_folder(self) -> Path:
        """Folder of games, catalogues and their indices."""
        return self.home / "data"
