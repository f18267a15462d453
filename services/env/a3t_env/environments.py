"""The environments that this service offers, each built at its first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from a3t_contracts.errors import A3TError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import EnvironmentInfo

from .plugins import EnvironmentPlugin
from .plugins.discovery import all_plugins, targets_of_setting
from .protocol import Environment
from .remote import remote_plugins
from .settings import EnvSettings

__all__ = ["EnvironmentSource", "Environments", "configured", "known_plugins"]

EnvironmentSource = Callable[[], Environment]
"""Builds an environment. Raises an A3TError if its data or package is missing."""


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> None: ...


log = get_logger(__name__)


class Environments:
    """Environments by name.

    Building an environment may read an index from disk, so call the methods from threads, not from the event loop. An
    environment without data is tried again at every use, so that data added later is found.
    """

    def __init__(
        self, plugins: Mapping[str, EnvironmentPlugin | EnvironmentSource], settings: EnvSettings | None = None
    ) -> None:
        self._plugins = {n: p if isinstance(p, EnvironmentPlugin) else _plugin(p) for n, p in plugins.items()}
        self._settings = settings
        self._built: dict[str, Environment] = {}
        # One lock for each environment, so that a remote that does not answer delays no call to another environment.
        self._locks = {name: threading.Lock() for name in self._plugins}

    def __iter__(self) -> Iterator[str]:
        return iter(self._plugins)

    def __contains__(self, name: object) -> bool:
        return name in self._plugins

    def get(self, name: str) -> Environment:
        """Return an environment. Raises NotFoundError if it is unknown or has no data, UnavailableError if its data
        cannot be read.
        """
        environment = self._built.get(name)
        if environment is not None:
            return environment
        plugin = self._plugins.get(name)
        if plugin is None:
            raise NotFoundError(f"There is no environment {name[:80]!r}.", hint=f"Known: {', '.join(self._plugins)}.")
        with self._locks[name]:
            if name not in self._built:
                self._built[name] = self._build(name, plugin)
            return self._built[name]

    def infos(self) -> list[EnvironmentInfo]:
        """Descriptions of all environments. One that cannot be used now has a `problem`, and no engines or splits."""
        return [self._info(name) for name in self._plugins]

    def missing(self) -> dict[str, str]:
        """For each environment that cannot be used now, what it lacks and how to get it."""
        problems = {}
        for name in self._plugins:
            try:
                self.get(name)
            except A3TError as error:
                problems[name] = str(error)
        return problems

    def close(self) -> None:
        """Release the resources of the environments, e.g. child processes."""
        for environment in self._built.values():
            if isinstance(environment, _Closable):
                environment.close()

    def _info(self, name: str) -> EnvironmentInfo:
        plugin = self._plugins[name]
        try:
            return self.get(name).info()
        except A3TError as error:
            return EnvironmentInfo(
                name=name,
                engines=[],
                splits={},
                task_types=[],
                max_steps=plugin.max_steps,
                get_data=plugin.get_data,
                problem=str(error),
            )

    def _build(self, name: str, plugin: EnvironmentPlugin) -> Environment:
        try:
            environment = plugin.build(self._settings or EnvSettings())
            if any(environment.info().splits.values()):
                return environment
            detail, hint = f"The environment {name} has no tasks yet.", None
        except UnavailableError:
            raise
        except A3TError as error:
            detail, hint = error.detail, error.hint
        except ImportError as error:
            raise NotFoundError(f"The environment {name} is not installed: {error}.") from error
        except Exception as error:
            log.exception("environment.failed", environment=name)
            raise UnavailableError(f"The environment {name} cannot be loaded: {error}", retry_after=30.0) from error
        raise NotFoundError(detail, hint=hint if hint and "a3t data" in hint else plugin.get_data or hint)


def _plugin(source: EnvironmentSource) -> EnvironmentPlugin:
    return EnvironmentPlugin(lambda _: source())


def configured(settings: EnvSettings) -> Environments:
    """The environments of `known_plugins`, whose errors it raises."""
    return Environments(known_plugins(settings), settings)


def known_plugins(settings: EnvSettings) -> dict[str, EnvironmentPlugin]:
    """Every environment that an installed package, `A3T_ENV_PLUGINS` or `A3T_ENV_REMOTES` names. The settings override
    packages.

    Raises InvalidInputError for a setting of the wrong form, and for a name that is in both settings.
    """
    remotes = remote_plugins(settings)
    for name in targets_of_setting(settings.env_plugins).keys() & remotes.keys():
        raise InvalidInputError(f"A3T_ENV_PLUGINS and A3T_ENV_REMOTES both name {name!r}.", hint="Rename one of them.")
    return {**all_plugins(settings), **remotes}
