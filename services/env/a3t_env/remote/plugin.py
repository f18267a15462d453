"""The remotes of `A3T_ENV_REMOTES` as plug-ins."""

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
"""A remote that took more than `_SLOW` seconds to fail is left alone for so many times as long."""


def remote_plugins(settings: EnvSettings) -> dict[str, EnvironmentPlugin]:
    """Name → plug-in of every remote. Raises InvalidInputError for a setting of the wrong form."""
    return {
        address.name: EnvironmentPlugin(_Remote(address).build, get_data=f"Start its server at {address.url}.")
        for address in addresses(settings.env_remotes, settings.env_remote_tokens)
    }


class _Remote:
    """Builds the environment. One that is slow to fail is not tried at every request: its error is raised again."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._failed: A3TError | None = None
        self._rests_until = 0.0

    def build(self, settings: EnvSettings) -> Environment:
        """Raises UnavailableError where the remote is out of reach or answers wrongly."""
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
