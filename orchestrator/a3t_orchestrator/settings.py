"""Settings of the orchestrator: addresses of the services, the queue and the database."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from a3t_contracts.settings import ServiceSettings

__all__ = ["OrchestratorSettings"]


class OrchestratorSettings(ServiceSettings):
    """Settings of the orchestrator. If no address is set, `a3t` starts the services as local processes."""

    env_url: str | None = Field(None, description="Address of the env service")
    policy_url: str | None = Field(None, description="Address of the policy service")
    actre_url: str | None = Field(None, description="Address of the ActRe service")
    trainer_url: str | None = Field(None, description="Address of the trainer service")
    orchestrator_url: str | None = Field(
        None, description="Address of the orchestrator service, for commands that begin and follow runs over HTTP"
    )
    redis_url: str | None = Field(
        None, description="Address of the queue's Redis or Valkey, redis://HOST:PORT/DATABASE"
    )
    max_body_bytes: int = Field(
        2**20, gt=0, description="Largest request body in bytes; a larger one is refused with 413"
    )
    database_url: str | None = Field(None, description="SQLAlchemy URL of the database; unset: SQLite in A3T_HOME")
    hub_namespace: str | None = Field(
        None,
        description="Namespace on the Hugging Face Hub to which `a3t export` pushes every folder that it writes, as "
        "NAMESPACE/RUN-FORMAT; unset: it pushes where --push-to says so",
    )
    hub_private: bool = Field(True, description="Whether datasets that `a3t export` creates on the Hub are private")
    visibility_timeout: int = Field(
        3600, ge=60, description="Seconds after which Redis delivers a task again that no worker acknowledged"
    )
    lease_seconds: float = Field(
        30.0, gt=1, description="Seconds without a sign of life from its worker after which an episode is queued again"
    )
    drive_runs: bool = Field(
        True, description="Whether the orchestrator service drives runs; false: it only answers requests"
    )
    driven_runs: int = Field(
        8, ge=1, le=1024, description="Number of runs that one orchestrator drives at the same time"
    )
    run_lease_seconds: float = Field(
        15.0,
        ge=2,
        le=300,
        description="Seconds without a sign of life from its driver after which another orchestrator takes a run over",
    )
    worker_threads: int = Field(
        2, ge=1, le=64, description="Number of queue tasks that one worker runs at the same time"
    )
    worker_heartbeat_file: Path | None = Field(
        None, description="File that a worker touches every 10 seconds while it serves its queues; unset: none"
    )
    worker_metrics_port: int | None = Field(
        None, ge=1, le=65535, description="TCP port on which a worker serves /metrics for Prometheus; unset: none"
    )
    embedded_threads: int = Field(2, ge=1, description="Number of CPU threads of each embedded service")

    @property
    def database(self) -> str:
        """SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.home.expanduser().resolve() / 'a3t.db'}"

    @property
    def service_urls(self) -> dict[str, str | None]:
        """Addresses of the services by name; None for an address that is not set."""
        return {
            "env": self.env_url,
            "policy": self.policy_url,
            "actre": self.actre_url,
            "trainer": self.trainer_url,
        }

    @property
    def is_external(self) -> bool:
        """Whether every service and the queue have an address, so that nothing is started locally."""
        return all([*self.service_urls.values(), self.redis_url])

    @property
    def tells_by_service(self) -> bool:
        """Whether commands read through the orchestrator service: its address is set, and the address of the database
        is not."""
        return bool(self.orchestrator_url) and not self.database_url

    @property
    def missing_addresses(self) -> list[str]:
        """Names of the address variables that are not set although others are."""
        values = {f"A3T_{k.upper()}_URL": v for k, v in (self.service_urls | {"redis": self.redis_url}).items()}
        unset = [name for name, value in values.items() if not value]
        return unset if len(unset) < len(values) else []
