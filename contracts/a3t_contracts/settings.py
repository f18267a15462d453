"""Settings that all services share, read from the environment (`A3T_…`)."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

__all__ = ["DEVELOPMENT_TOKEN", "CommonSettings", "ServiceSettings", "default_home"]

DEVELOPMENT_TOKEN = "a3t-development"  # noqa: S105  refused in production


def default_home() -> Path:
    """The folder of the embedded default: data, database, registry and logs."""
    return Path.home() / ".a3t"


class CommonSettings(BaseSettings):
    """What processes of every kind read."""

    model_config = SettingsConfigDict(env_prefix="A3T_", extra="ignore")

    home: Path = Field(default_factory=default_home, description="Folder of data, database, registry and logs")
    mode: Literal["development", "production"] = Field("development", description="production refuses defaults")
    token: SecretStr = Field(SecretStr(DEVELOPMENT_TOKEN), description="Bearer token between services and for users")
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field("INFO", description="Least severity in the log")
    log_json: bool | None = Field(None, description="JSON log lines; unset: JSON unless stderr is a terminal")

    registry: str | None = Field(None, description="Adapter registry: folder or fsspec URL; unset: <home>/registry")

    @property
    def registry_url(self) -> str:
        """Where adapter versions are published."""
        return self.registry or str(self.home / "registry")

    @model_validator(mode="after")
    def _refuse_default_secret(self) -> CommonSettings:
        token = self.token.get_secret_value()
        if self.mode == "production" and (token == DEVELOPMENT_TOKEN or len(token) < 16):
            raise ValueError("A3T_TOKEN must be set to a secret of 16 or more characters when A3T_MODE=production")
        return self


class ServiceSettings(CommonSettings):
    """What every HTTP service reads. Fields of one service carry its name (A3T_ENV_MAX_SESSIONS)."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8100, ge=1, le=65535, description="TCP port to listen on")
