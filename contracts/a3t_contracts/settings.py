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
    """Settings that every process reads."""

    model_config = SettingsConfigDict(env_prefix="A3T_", extra="ignore")

    home: Path = Field(
        default_factory=default_home,
        description="Folder of data, database, registry and logs; unset: `.a3t` in the home folder of the user",
    )
    mode: Literal["development", "production"] = Field(
        "development", description="`production` refuses to start with the default token; `development` accepts it"
    )
    token: SecretStr = Field(
        SecretStr(DEVELOPMENT_TOKEN),
        description="Bearer token that every request needs, between services and from users",
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Least severe level that is logged"
    )
    log_json: bool | None = Field(
        None, description="Whether log lines are JSON; unset: they are, unless stderr is a terminal"
    )

    registry: str | None = Field(
        None, description="Adapter registry: a folder or an fsspec URL such as `s3://…`; unset: `registry` in A3T_HOME"
    )

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
    """Settings that every HTTP service reads. A setting of one service carries its name, as in A3T_ENV_MAX_SESSIONS."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8100, ge=1, le=65535, description="TCP port to listen on")
