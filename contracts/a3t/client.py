"""The client: one object that calls all services of an installation."""

from __future__ import annotations

from types import TracebackType
from typing import Self, TypeVar

from pydantic import Field

from a3t_contracts.clients import EnvClient, OrchestratorClient, ServiceClient, TrainerClient
from a3t_contracts.errors import InvalidInputError
from a3t_contracts.settings import CommonSettings
from a3t_contracts.stack import stack_url

from .background import Background
from .parts import Adapters, Environments, Runs, Trajectories

__all__ = ["Client"]

ClientT = TypeVar("ClientT", bound=ServiceClient)


class _Addresses(CommonSettings):
    """Addresses of the services, from the same variables as the orchestrator's settings."""

    orchestrator_url: str | None = Field(None, description="Address of the orchestrator service")
    trainer_url: str | None = Field(None, description="Address of the trainer service")
    env_url: str | None = Field(None, description="Address of the env service")


class Client:
    """Runs, trajectories, adapter versions and environments of an installation.

    For addresses that are not given, the client takes those of `A3T_ORCHESTRATOR_URL`, `A3T_TRAINER_URL` and
    `A3T_ENV_URL`, else those of the stack that `a3t up` started in this `A3T_HOME`. A service is called when it is
    first needed.

    Args:
        url: address of the orchestrator service, for example `http://127.0.0.1:8100`.
        token: bearer token; None takes `A3T_TOKEN`.
        trainer_url: address of the trainer service, for `adapters`.
        env_url: address of the env service, for `environments`.
        timeout: largest number of seconds that one call may take.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        trainer_url: str | None = None,
        env_url: str | None = None,
        timeout: float = 60.0,
    ) -> None:
        self._settings = _Addresses()
        self._token = self._settings.token.get_secret_value() if token is None else token
        self._given = {"orchestrator": url, "trainer": trainer_url, "env": env_url}
        self._timeout = timeout
        self._background = Background()
        self._open: dict[str, ServiceClient] = {}
        self.runs = Runs(self._background, lambda: self._service("orchestrator", OrchestratorClient))
        self.trajectories = Trajectories(self._background, lambda: self._service("orchestrator", OrchestratorClient))
        self.adapters = Adapters(self._background, lambda: self._service("trainer", TrainerClient))
        self.environments = Environments(self._background, lambda: self._service("env", EnvClient))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections. The client cannot be used afterwards."""
        for service in self._open.values():
            self._background.wait(service.aclose())
        self._open.clear()
        self._background.stop()

    def _service(self, name: str, kind: type[ClientT]) -> ClientT:
        found = self._open.get(name)
        if not isinstance(found, kind):
            found = kind(self._address(name), self._token, timeout=self._timeout)
            self._open[name] = found
        return found

    def _address(self, name: str) -> str:
        setting: str | None = getattr(self._settings, f"{name}_url")
        found = self._given[name] or setting or stack_url(self._settings.home, name)
        if found is None:
            raise InvalidInputError(
                f"The address of the {name} service is not known.",
                hint=f"Set A3T_{name.upper()}_URL, give it to a3t.Client, or start the services with `a3t up`.",
            )
        return found
