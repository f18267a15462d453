"""The environments that this service can offer, each built at its first use."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol, runtime_checkable

from a3t_contracts.errors import A3TError, NotFoundError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas import EnvironmentInfo

from .protocol import Environment
from .settings import EnvSettings

__all__ = ["EnvironmentSource", "Environments", "configured"]

EnvironmentSource = Callable[[], Environment]
"""Builds an environment; raises an A3TError where its data or its package is missing."""

_GET_DATA = {
    "alfworld": "Run `a3t data generate alfworld`, or `a3t data import alfworld PATH` for the official games.",
    "webshop": "Run `a3t data generate webshop`, or `a3t data import webshop FOLDER`.",
}
_MAX_STEPS = {"alfworld": 50, "webshop": 15}


@runtime_checkable
class _Closable(Protocol):
    def close(self) -> None: ...


log = get_logger(__name__)


class Environments:
    """Environments by name. Building one may read an index from the disk: call from threads, not the event loop.

    One whose data is missing is tried again at every use, so data that arrives while the service runs is seen.
    """

    def __init__(self, sources: Mapping[str, EnvironmentSource]) -> None:
        self._sources = dict(sources)
        self._built: dict[str, Environment] = {}
        self._lock = threading.Lock()

    def __iter__(self) -> Iterator[str]:
        return iter(self._sources)

    def get(self, name: str) -> Environment:
        """The environment. Raises NotFoundError for an unknown one and for one whose data is
        missing, UnavailableError for one whose data cannot be read."""
        environment = self._built.get(name)
        if environment is not None:
            return environment
        source = self._sources.get(name)
        if source is None:
            raise NotFoundError(f"There is no environment {name[:80]!r}.", hint=f"Known: {', '.join(self._sources)}.")
        with self._lock:
            if name not in self._built:
                self._built[name] = _build(name, source)
            return self._built[name]

    def infos(self) -> list[EnvironmentInfo]:
        """Every environment; one without data has no engines and no splits."""
        return [self._info(name) for name in self._sources]

    def missing(self) -> dict[str, str]:
        """What each environment lacks that cannot be used now, and how to get it."""
        problems = {}
        for name in self._sources:
            try:
                self.get(name)
            except A3TError as error:
                problems[name] = str(error)
        return problems

    def close(self) -> None:
        """Give back what the environments hold, e.g. child processes."""
        for environment in self._built.values():
            if isinstance(environment, _Closable):
                environment.close()

    def _info(self, name: str) -> EnvironmentInfo:
        try:
            return self.get(name).info()
        except A3TError:
            return EnvironmentInfo.model_validate(
                {"name": name, "engines": [], "splits": {}, "task_types": [], "max_steps": _MAX_STEPS[name]}
            )


def configured(settings: EnvSettings) -> Environments:
    """ALFWorld and WebShop over the data folder of the settings."""

    def alfworld() -> Environment:
        from .alfworld.environment import AlfworldEnvironment
        from .alfworld.official import OfficialPool

        pool = OfficialPool(
            settings.env_official_processes,
            load_seconds=settings.env_start_deadline,
            step_seconds=settings.env_step_deadline,
        )
        return AlfworldEnvironment(settings.data_folder / "alfworld", settings.env_alfworld_engine, pool)

    def webshop() -> Environment:
        from .webshop import WebShopEnvironment

        return WebShopEnvironment(settings.data_folder)

    return Environments({"alfworld": alfworld, "webshop": webshop})


def _build(name: str, source: EnvironmentSource) -> Environment:
    try:
        environment = source()
        if any(environment.info().splits.values()):
            return environment
        detail, hint = f"The environment {name} has no tasks yet.", None
    except A3TError as error:
        detail, hint = error.detail, error.hint
    except ImportError as error:
        raise NotFoundError(f"The environment {name} is not installed: {error}.") from error
    except Exception as error:
        log.exception("environment.failed", environment=name)
        raise UnavailableError(f"The environment {name} cannot be loaded: {error}", retry_after=30.0) from error
    raise NotFoundError(detail, hint=hint if hint and "a3t data" in hint else _GET_DATA[name])
