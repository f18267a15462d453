"""WebShop as a plug-in of the env service."""

from __future__ import annotations

from ..plugins import EnvironmentPlugin
from ..protocol import Environment
from ..settings import EnvSettings
from .description import GET_DATA, MAX_STEPS

__all__ = ["plugin"]


def _build(settings: EnvSettings) -> Environment:
    from .environment import WebShopEnvironment

    return WebShopEnvironment(settings.data_folder)


plugin = EnvironmentPlugin(_build, MAX_STEPS, GET_DATA, "WebShop")
