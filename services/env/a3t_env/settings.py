"""Settings of the env service, read from the environment (`A3T_…`, the service's own as `A3T_ENV_…`)."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from a3t_contracts.settings import ServiceSettings

__all__ = ["EnvSettings"]


class EnvSettings(ServiceSettings):
    """Settings of the env service."""

    port: int = Field(8101, ge=1, le=65535, description="TCP port to listen on")
    env_max_body_bytes: int = Field(4 * 2**20, gt=0, description="Larger request bodies are refused with 413")
    env_workers: int = Field(1, ge=1, le=64, description="Processes that serve HTTP and hold sessions")
    env_max_sessions: int = Field(4096, ge=1, description="Open sessions over all processes; one more gets 429")
    env_idle_seconds: float = Field(1800.0, gt=0, description="A session unused for so long is reaped")
    env_start_deadline: float = Field(120.0, gt=0, description="Seconds until a session that does not start gets 504")
    env_step_deadline: float = Field(30.0, gt=0, description="Seconds until a step that hangs gets 504")
    env_threads: int = Field(32, ge=1, le=512, description="Threads in each process for each environment that blocks")
    env_plugins: str = Field(
        "", description="Environments of your own: name=module:Class, several with commas between them"
    )
    env_plugin_processes: int = Field(
        8,
        ge=1,
        le=256,
        description="Most processes for each environment of your own in Python, in each process of the service",
    )
    env_remotes: str = Field(
        "", description="Environments behind HTTP: `name=http://host:port`, several with commas between them"
    )
    env_remote_max_bytes: int = Field(2**20, gt=0, description="Largest reply of a remote environment to a step")
    env_remembered_ids: int = Field(10_000, ge=0, description="Closed session ids that get 410 and not 404")

    @property
    def data_folder(self) -> Path:
        """Games, catalogues and their indices."""
        return self.home / "data"
