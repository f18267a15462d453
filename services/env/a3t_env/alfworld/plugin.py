"""ALFWorld as a plug-in of the env service."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from a3t_contracts.settings import CommonSettings

from ..plugins import EnvironmentPlugin
from ..protocol import Environment
from ..settings import EnvSettings
from .description import GET_DATA, MAX_STEPS

__all__ = ["AlfworldSettings", "plugin"]


class AlfworldSettings(CommonSettings):
    """Settings of ALFWorld."""

    env_official_processes: int = Field(
        4, ge=1, description="Most episodes on the official engine at a time, each in a child process"
    )
    env_alfworld_engine: Literal["native", "official"] = Field(
        "native", description="Engine of sessions that ask for none"
    )


def _build(settings: EnvSettings) -> Environment:
    from .environment import AlfworldEnvironment
    from .official import OfficialPool

    own = AlfworldSettings()
    pool = OfficialPool(
        own.env_official_processes,
        load_seconds=settings.env_start_deadline,
        step_seconds=settings.env_step_deadline,
    )
    return AlfworldEnvironment(settings.data_folder / "alfworld", own.env_alfworld_engine, pool)


plugin = EnvironmentPlugin(_build, MAX_STEPS, GET_DATA, "ALFWorld")
