"""Makes plug-ins of the environments in `A3T_ENV_REMOTES`."""

from __future__ import annotations

import time

from a3t_contracts.errors import A3TError, UnavailableError

from ..plugins import EnvironmentPlugin
from ..protocol import Environment
from ..settings import EnvSettings
from .address import Address, addresses
from .agentgym import AgentGymBackend
from .backend import Backend
from .environment import RemoteEnvironment
from .lost import BusyError
from .simple import SimpleBackend

__all__ = ["remote_plugins"]


_SLOW = 0.5
_REST = 10.0
"""After a failure that took more than `_SLOW` seconds, the server is not called for this multiple of that time."""


def remote_plugins(settings: EnvSettings) -> dict[str, EnvironmentPlugin]:
    """Return name → plug-in for every remote environment. Raises InvalidInputError for a malformed setting."""
    return {
        address.name: EnvironmentPlugin(_Remote(address).build, get_data=f"Start its server at {address.url}.")
        for address in addresses(settings.env_remotes, settings.env_remote_tokens)
    }


class _Remote:
    """Builds the environment. If a build failed slowly, its error is raised again for a while, so that not every
    request waits for another attempt.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._failed: A3TError | None = None
        self._rests_until = 0.0

    def build(self, settings: EnvSettings) -> Environment:
        """Build the environment. Raises UnavailableError if the server cannot be reached or its replies are invalid."""
        if self._failed is not None and time.monotonic() < self._rests_until:
            raise self._failed
        backend, began = _backend(self._address, settings), time.monotonic()
        try:
            return RemoteEnvironment(
                backend, start_seconds=settings.env_start_deadline, step_seconds=settings.env_step_deadline
            )
        except (BusyError, A3TError) as error:
            backend.close()
            took = time.monotonic() - began
            self._rests_until = time.monotonic() + _REST * took if took > _SLOW else 0.0
            self._failed = self._unavailable(error.error if isinstance(error, BusyError) else error)
            raise self._failed from error

    def _unavailable(self, error: A3TError) -> UnavailableError:
        hint = error.hint or f"Start its server at {self._address.url}, and look at that server's log."
        return UnavailableError(error.detail, hint=hint, retry_after=5.0)


def _backend(address: Address, settings: EnvSettings) -> Backend:
    if address.protocol == "agentgym":
        return AgentGymBackend(address, settings.env_remote_max_bytes)
    if address.protocol == "openenv":
        from .openenv import OpenEnvBackend  # websockets, which the others do not need

        return OpenEnvBackend(address, settings.env_remote_max_bytes)
    return SimpleBackend(address, settings.env_remote_max_bytes)
