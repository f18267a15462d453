"""Finds the plug-ins: those that installed packages declare, and those of `A3T_ENV_PLUGINS`."""

from __future__ import annotations

import re
import time
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePath

from a3t_contracts.errors import A3TError, InvalidInputError

from ..protocol import Environment
from ..settings import EnvSettings
from .environment import PluginEnvironment
from .plugin import ENTRY_POINT_GROUP, EnvironmentPlugin
from .pool import PluginPool
from .spec import PluginSpec
from .target import TargetError, load_target

__all__ = ["PythonSource", "all_plugins", "name_of_target", "targets_of_setting"]

_OWN_PACKAGE = "a3t-env"
_TARGET = re.compile(r"([A-Za-z_]\w*(\.[A-Za-z_]\w*)*|[^,=:]*\.py):[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FORGET_SECONDS = 10.0
"""Seconds before a plug-in that could not be loaded is tried again."""


def all_plugins(settings: EnvSettings) -> dict[str, EnvironmentPlugin]:
    """Return name → plug-in. `A3T_ENV_PLUGINS` takes precedence over installed packages.

    The result has plug-ins that cannot be loaded, too; building them raises. Raises InvalidInputError for a malformed
    setting.
    """
    found = {point.name: _installed(point) for point in entry_points(group=ENTRY_POINT_GROUP)}
    for name, target in targets_of_setting(settings.env_plugins).items():
        found[name] = EnvironmentPlugin(PythonSource(name, target, "A3T_ENV_PLUGINS"))
    return found


def targets_of_setting(setting: str) -> dict[str, str]:
    """Parse `name=module:Class,module:Class` to name → target. A target without a name is called like its module.

    Raises InvalidInputError.
    """
    targets: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in setting.split(","))):
        name, _, target = (p.strip() for p in part.rpartition("="))
        name = name or name_of_target(target)
        if not _TARGET.fullmatch(target) or not _NAME.fullmatch(name):
            raise InvalidInputError(
                f"A3T_ENV_PLUGINS has {part[:120]!r}, which is not a plug-in.",
                hint="Write name=module:Class or name=path/to/file.py:Class, several with commas between them.",
            )
        if name in targets:
            raise InvalidInputError(f"A3T_ENV_PLUGINS names the environment {name!r} twice.")
        targets[name] = target
    return targets


def name_of_target(target: str) -> str:
    """The default name of an environment: the name of its module or file."""
    module = target.rpartition(":")[0]
    return PurePath(module).stem if module.endswith(".py") else module.rpartition(".")[2]


class PythonSource:
    """Builds the environment of a target. An error is kept and raised again for a while, so that a broken target is not
    loaded at every request.
    """

    def __init__(self, name: str, target: str, origin: str) -> None:
        self._name, self._target, self._origin = name, target, origin
        self._failed: tuple[float, A3TError] | None = None

    def __call__(self, settings: EnvSettings) -> Environment:
        """Build the environment. If the last build failed a short time ago, its A3TError is raised again."""
        if self._failed is not None and time.monotonic() < self._failed[0]:
            raise self._failed[1]
        try:
            return self._build(settings)
        except A3TError as error:
            error.hint = error.hint or f"This environment comes from {self._origin}."
            self._failed = time.monotonic() + _FORGET_SECONDS, error
            raise

    def _build(self, settings: EnvSettings) -> Environment:
        pool = PluginPool(
            self._name,
            self._target,
            settings.env_plugin_processes,
            start_seconds=settings.env_start_deadline,
            step_seconds=settings.env_step_deadline,
        )
        try:
            description = pool.describe()
            if not description.get("rich"):
                return PluginEnvironment(PluginSpec.read(self._name, self._target, description), pool)
        except BaseException:
            pool.close()
            raise
        pool.close()
        return _rich(self._target).build(settings)


def _installed(point: EntryPoint) -> EnvironmentPlugin:
    """Load the env service's own plug-ins at once; try those of other packages in a child process first."""
    package = point.dist.name if point.dist else "an installed package"
    if package == _OWN_PACKAGE:
        return _rich(point.value)
    return EnvironmentPlugin(PythonSource(point.name, point.value, f"the package {package}"))


def _rich(target: str) -> EnvironmentPlugin:
    try:
        found = load_target(target)
    except TargetError as error:
        raise InvalidInputError(f"The environment {target} cannot be loaded: {error}") from error
    if not isinstance(found, EnvironmentPlugin):
        raise InvalidInputError(f"{target} is not an EnvironmentPlugin.")
    return found
