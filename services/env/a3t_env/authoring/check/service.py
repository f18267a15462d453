"""The service that a check talks to: one in this process with the present settings, or one at a URL."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx

from a3t_contracts.clients import EnvClient, RetryPolicy
from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo

from ...app import create_app
from ...plugins.discovery import name_of_target, targets_of_setting
from ...remote.address import addresses
from ...settings import EnvSettings

__all__ = ["serving"]

_REMOTE = "remote"
"""Name of a remote environment that is checked by its URL alone; A3T_ENV_REMOTE_TOKENS has its token as `remote=TOKEN`.
"""
_ONCE = RetryPolicy(attempts=1)
_CALL_SECONDS = 300.0
_INFO_SECONDS = 5.0


@asynccontextmanager
async def serving(subject: str, environment: str | None = None) -> AsyncIterator[tuple[EnvClient, EnvironmentInfo]]:
    """Serve or reach an environment; yields a client of its service, and its description.

    Args:
        subject: the name of an environment, `module:Class`, `path/to/file.py:Class`, the URL of an env service, or
            that of an environment behind HTTP as in `A3T_ENV_REMOTES`.
        environment: name of the environment, if the service at the URL has several.

    Raises NotFoundError if there is no such environment or it cannot be used, InvalidInputError if the service at the
    URL has several environments and `environment` names none.
    """
    settings = EnvSettings()
    token = settings.token.get_secret_value()
    remote = "://" in subject and await _is_remote(subject, settings, environment or _REMOTE)
    if "://" in subject and not remote:
        async with EnvClient(subject, token, timeout=_CALL_SECONDS, retry=_ONCE) as client:
            yield client, _chosen(await client.environments(), environment, subject)
        return
    name = subject
    if remote:
        name = environment or _REMOTE
        settings = settings.model_copy(update={"env_remotes": f"{name}={subject}"})
    elif ":" in subject:
        name = name_of_target(subject)
        settings = settings.model_copy(update={"env_plugins": _with(settings.env_plugins, name, subject)})
    app = create_app(settings)
    async with (
        app.router.lifespan_context(app),
        EnvClient(
            "http://env", token, timeout=_CALL_SECONDS, retry=_ONCE, transport=httpx.ASGITransport(app=app)
        ) as client,
    ):
        yield client, _chosen(await client.environments(), name, "this installation")


async def _is_remote(url: str, settings: EnvSettings, name: str) -> bool:
    """Whether a URL is that of a single environment: by its scheme, or because it answers `/info`, which env services
    do not.
    """
    if not url.startswith(("http://", "https://")):
        return True
    (address,) = addresses(f"{name}={url}", settings.env_remote_tokens)
    async with httpx.AsyncClient(timeout=_INFO_SECONDS, headers=address.headers) as client:
        try:
            return (await client.get(f"{url.rstrip('/')}/info")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def _with(plugins: str, name: str, target: str) -> str:
    """Return the setting with one more plug-in, which replaces any plug-in of the same name."""
    targets = targets_of_setting(plugins) | {name: target}
    return ",".join(f"{key}={value}" for key, value in targets.items())


def _chosen(infos: list[EnvironmentInfo], name: str | None, where: str) -> EnvironmentInfo:
    usable = [info for info in infos if not info.problem]
    if name is None:
        if len(usable) != 1:
            names = ", ".join(info.name for info in infos)
            raise InvalidInputError(f"{where} has several environments: {names}.", hint="Name one with --environment.")
        return usable[0]
    found = next((info for info in infos if info.name == name), None)
    if found is None:
        raise NotFoundError(
            f"{where} has no environment {name!r}, only {', '.join(info.name for info in infos)}.",
            hint="Add it with A3T_ENV_PLUGINS=name=module:Class, or check module:Class directly.",
        )
    if found.problem:
        raise NotFoundError(found.problem)
    return found
