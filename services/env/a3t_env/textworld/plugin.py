"""TextWorld as a plug-in of the env service."""

from __future__ import annotations

from pydantic import Field

from a3t_contracts.settings import CommonSettings

from ..plugins import EnvironmentPlugin
from ..protocol import Environment
from ..settings import EnvSettings
from .description import GET_DATA, MAX_STEPS

__all__ = ["TextWorldSettings", "plugin"]


class TextWorldSettings(CommonSettings):
    """Settings of TextWorld."""

    env_textworld_processes: int = Field(4, ge=1, description="Most TextWorld episodes at the same time")


def _build(settings: EnvSettings) -> Environment:
    from .environment import TextWorldEnvironment

    return TextWorldEnvironment(
        settings.data_folder / "textworld",
        processes=TextWorldSettings().env_textworld_processes,
        load_seconds=settings.env_start_deadline,
        step_seconds=settings.env_step_deadline,
    )


plugin = EnvironmentPlugin(_build, MAX_STEPS, GET_DATA, "TextWorld")
