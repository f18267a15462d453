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
"""Name of a remote that is checked without one; its token is `remote=TOKEN` in A3T_ENV_REMOTE_TOKENS."""
_ONCE = RetryPolicy(attempts=1)
_CALL_SECONDS = 300.0
_INFO_SECONDS = 5.0


@asynccontextmanager
async def serving(subject: str, environment: str | None = None) -> AsyncIterator[tuple[EnvClient, EnvironmentInfo]]:
    """A client of the service, and the environment's description.

    Args:
        subject: the name of an environment, `module:Class`, `path/to/file.py:Class`, the URL of an env service, or
            that of an environment behind HTTP as in `A3T_ENV_REMOTES`.
        environment: which one, where the service at the URL has several.

    Raises NotFoundError where there is no such environment or it cannot be used, InvalidInputError for a URL with
    several environments and no choice.
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
    """Whether an environment is at a URL: by its scheme, or because it answers `/info`, which env services do not."""
    if not url.startswith(("http://", "https://")):
        return True
    (address,) = addresses(f"{name}={url}", settings.env_remote_tokens)
    async with httpx.AsyncClient(timeout=_INFO_SECONDS, headers=address.headers) as client:
        try:
            return (await client.get(f"{url.rstrip('/')}/info")).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False


def _with(plugins: str, name: str, target: str) -> str:
    """The setting with one more plug-in, which replaces one of its name."""
    targets = targets_of_setting(plugins) | {name: target}
    return ",".join(f"{key}={value}" for key, value in targets.items())


def _chosen(infos: list[EnvironmentInfo], name: str | None, where: str) -> EnvironmentInfo:
    usable = [info for info in infos if not info.problem]
    if name is None:
        if len(usable) != 1:
            names = ", ".join(info.name for info in infos)
            raise InvalidInputError(f"{where} has several environments: {names}.", hint="Choose one by --environment.")
        return usable[0]
    found = next((info for info in infos if info.name == name), None)
    if found is None:
        raise NotFoundError(
            f"{where} has no environment {name!r}, only {', '.join(info.name for info in infos)}.",
            hint="Name yours in A3T_ENV_PLUGINS=name=module:Class, or check module:Class itself.",
        )
    if found.problem:
        raise NotFoundError(found.problem)
    return found
