"""Settings that all services share, read from the environment (`A3T_…`)."""

from __future__ import annotations

import ipaddress
from collections import Counter
from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from .access import Role, Tokens, token_list
from .outbound import OUTBOUND_HELP
from .schemas.base import Tracker

__all__ = ["DEVELOPMENT_TOKEN", "CommonSettings", "ServiceSettings", "default_home"]

DEVELOPMENT_TOKEN = "a3t-development"  # noqa: S105  refused in production, and on other addresses than this machine's
_LEAST_TOKEN = 16
"""Smallest number of characters in a token in production."""


def default_home() -> Path:
    """Return the default of A3T_HOME, the folder of data, database, registry and logs."""
    return Path.home() / ".a3t"


class CommonSettings(BaseSettings):
    """Settings that every process reads."""

    # Values are left out of error messages, because some are secrets and errors are logged.
    model_config = SettingsConfigDict(env_prefix="A3T_", extra="ignore", hide_input_in_errors=True)

    home: Path = Field(
        default_factory=default_home,
        description="Folder of data, database, registry and logs; unset: `.a3t` in the home folder of the user",
    )
    mode: Literal["development", "production"] = Field(
        "development", description="`production` refuses to start with the default token; `development` accepts it"
    )
    token: SecretStr = Field(
        SecretStr(DEVELOPMENT_TOKEN),
        description="Bearer token with the role `admin`: services send it to each other, and users may send it",
    )
    token_second: SecretStr = Field(
        SecretStr(""),
        description="Second token with the role `admin`, which is accepted but never sent, so that A3T_TOKEN can be "
        "changed "
        "without downtime; empty: none",
    )
    run_tokens: SecretStr = Field(
        SecretStr(""),
        description="Tokens with the role `run`, separated by commas: they may start, pause and cancel, "
        "but not delete or promote",
    )
    read_tokens: SecretStr = Field(
        SecretStr(""), description="Tokens with the role `read`, separated by commas: they may only read"
    )
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="Lowest level of messages that are logged"
    )
    log_json: bool | None = Field(
        None, description="Whether log lines are JSON; unset: JSON unless stderr is a terminal"
    )
    traces: bool = Field(
        False,
        description="Whether OpenTelemetry spans are sent, by OTLP over HTTP to the collector that "
        "OTEL_EXPORTER_OTLP_ENDPOINT names (unset: port 4318 of this machine)",
    )
    traces_content: bool = Field(
        False, description="Whether spans contain the texts of prompts, completions, actions and observations"
    )
    traces_sample: float = Field(
        1.0, ge=0, le=1, description="Share of the traces that are kept; an episode is traced as a whole or not at all"
    )

    trackers: list[Tracker] = Field(
        default_factory=list,
        description="Experiment trackers of runs and of their fine-tuning jobs, as a JSON list, for example "
        '`["wandb"]`; jobs always write TensorBoard logs',
    )
    registry: str | None = Field(
        None, description="Adapter registry: a folder or an fsspec URL such as `s3://…`; unset: `registry` in A3T_HOME"
    )

    @property
    def registry_url(self) -> str:
        """Return the folder or URL of the adapter registry."""
        return self.registry or str(self.home / "registry")

    @property
    def tokens(self) -> Tokens:
        """Return every token with its role."""
        return Tokens(self._tokens())

    def _tokens(self) -> dict[Role, list[str]]:
        second = [self.token_second.get_secret_value()] if self.token_second.get_secret_value() else []
        return {
            Role.read: token_list(self.read_tokens),
            Role.run: token_list(self.run_tokens),
            Role.admin: [self.token.get_secret_value(), *second],
        }

    @model_validator(mode="after")
    def _refuse_default_secret(self) -> CommonSettings:
        token = self.token.get_secret_value()
        if self.mode == "production" and (token == DEVELOPMENT_TOKEN or len(token) < _LEAST_TOKEN):
            raise ValueError("A3T_TOKEN must be set to a secret of 16 or more characters when A3T_MODE=production")
        return self

    @model_validator(mode="after")
    def _refuse_bad_tokens(self) -> CommonSettings:
        every = [token for tokens in self._tokens().values() for token in tokens]
        if self.mode == "production" and any(
            token == DEVELOPMENT_TOKEN or len(token) < _LEAST_TOKEN for token in every
        ):
            raise ValueError(
                "A3T_TOKEN_SECOND, A3T_RUN_TOKENS and A3T_READ_TOKENS must hold secrets of 16 or more characters when "
                "A3T_MODE=production"
            )
        if any(not (token.isascii() and token.isprintable()) or " " in token or not token for token in every):
            raise ValueError(
                "A token must be made of printable ASCII characters without spaces; one of A3T_TOKEN, "
                "A3T_TOKEN_SECOND, A3T_RUN_TOKENS and A3T_READ_TOKENS is not"
            )
        if max(Counter(every).values()) > 1:
            raise ValueError("Two of A3T_TOKEN, A3T_TOKEN_SECOND, A3T_RUN_TOKENS and A3T_READ_TOKENS are the same")
        return self


class ServiceSettings(CommonSettings):
    """Settings that every HTTP service reads. A setting of one service has the service's name in it, as in
    A3T_ENV_MAX_SESSIONS."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8100, ge=1, le=65535, description="TCP port to listen on")
    client_seconds: float = Field(
        30.0,
        gt=0,
        description="Seconds in which a client must send a request's header; the body has these seconds plus one for "
        "every 500 bytes. A client that reads nothing of a reply for this time is cut off",
    )
    outbound_allowed: str = Field("", description=OUTBOUND_HELP)
    client_connections: int = Field(
        4096,
        ge=1,
        description="Largest number of open connections from one client address, in each process; further ones get "
        "status 429",
    )

    @model_validator(mode="after")
    def _default_secret_stays_here(self) -> ServiceSettings:
        if self.token.get_secret_value() == DEVELOPMENT_TOKEN and not _is_this_machine(self.host):
            raise ValueError(
                f"A3T_TOKEN must be set to a secret of your own where A3T_HOST={self.host}: the default token is "
                "public, so it is accepted only while the service listens on this machine alone"
            )
        return self


def _is_this_machine(host: str) -> bool:
    """Return whether an address to listen on can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
