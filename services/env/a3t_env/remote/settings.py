"""Settings in the query of a remote environment's URL, for protocols whose servers send no description."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.schemas import EnvironmentInfo

from .address import Address

__all__ = ["RemoteSettings", "described", "read_settings"]


class RemoteSettings(BaseModel):
    """The settings in the query, except `tasks` and `split`."""

    model_config = ConfigDict(extra="forbid")

    max_steps: int = Field(30, ge=1, le=1000, description="Largest number of steps of an episode")
    success: FiniteFloat = Field(1.0, description="Least reward of the last step for a solved task")
    about: str = Field("", description="What the agent does there and which actions it has")
    multiline: bool = Field(True, description="Whether observations keep their line breaks")
    action: str = Field("", description="OpenEnv: field of the action that takes the agent's text")
    observation: str = Field("", description="OpenEnv: field of the observation that the agent reads")


def read_settings(address: Address) -> RemoteSettings:
    """The settings of an address that has tasks. Raises InvalidInputError."""
    if not address.splits:
        raise InvalidInputError(
            f"A3T_ENV_REMOTES does not say how many tasks {address.name} has, and its server cannot tell.",
            hint="Add them to the URL: `?tasks=160&split=train&tasks=40&split=test`.",
        )
    try:
        return RemoteSettings.model_validate(address.settings)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise InvalidInputError(
            f"The URL of {address.name} has an invalid {'.'.join(map(str, fault['loc']))}: {fault['msg']}.",
            hint=f"The URL may set: tasks, split, {', '.join(RemoteSettings.model_fields)}.",
        ) from error


def described(address: Address, settings: RemoteSettings, engine: str, *, lists_actions: bool) -> EnvironmentInfo:
    """The description of an environment of numbered tasks."""
    return EnvironmentInfo(
        name=address.name,
        engines=[engine],
        splits={split.name: split.tasks for split in address.splits},
        task_types=["task"],
        max_steps=settings.max_steps,
        about=settings.about,
        multiline=settings.multiline,
        lists_actions=lists_actions,
        samples=lists_actions,
        expert=False,
        success=f"the episode ends with a reward of {settings.success:g} or more",
    )
