"""Registers the id `a3t/NAME-v0` with Gymnasium for every installed or configured environment."""

from __future__ import annotations

import gymnasium

from ..environments import known_plugins
from ..settings import EnvSettings

__all__ = ["register"]

_ENTRY_POINT = "a3t_env.gym.environment:TextEnvironment"


def register() -> list[str]:
    """Register every environment of an installed package, `A3T_ENV_PLUGINS` or `A3T_ENV_REMOTES`, and return the ids.

    The name in an id is the plug-in's title if it has one, else its name. The plug-ins are loaded, but no environment
    is built. Importing `a3t_env.gym` calls this; call it again after a change of the settings. Raises InvalidInputError
    for a malformed setting.
    """
    ids = []
    for name, plugin in known_plugins(EnvSettings()).items():
        ids.append(f"a3t/{plugin.title or name}-v0")
        if ids[-1] not in gymnasium.registry:
            gymnasium.register(ids[-1], _ENTRY_POINT, kwargs={"environment": name})
    return ids
