"""Sessions for callers without an event loop. They run in this process or in an env service."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from a3t_contracts.clients import EnvClient
from a3t_contracts.errors import A3TError, NotFoundError
from a3t_contracts.schemas import EnvironmentInfo, SessionCreate, SessionInfo, StepResult, Task

from ..app import limits_of
from ..environments import configured
from ..sessions import SessionManager
from ..settings import EnvSettings

__all__ = ["Loop", "Play", "opened"]

ResultT = TypeVar("ResultT")


class Loop:
    """An event loop in a separate thread, because the caller's thread may run one already, as in a notebook."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="a3t-gym", daemon=True)
        self._thread.start()

    def run(self, call: Coroutine[Any, Any, ResultT]) -> ResultT:
        """Run a call on the loop. Returns or raises what the call does."""
        return asyncio.run_coroutine_threadsafe(call, self._loop).result()

    def close(self) -> None:
        """End the thread."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class _Sessions(Protocol):
    """The common methods of the sessions in this process and of the client of a service."""

    async def create(self, request: SessionCreate) -> SessionInfo: ...

    async def step(
        self, session_id: str, action: str, index: int | None = None, include_actions: bool = False
    ) -> StepResult: ...

    async def close(self, session_id: str) -> None: ...

    async def aclose(self) -> None: ...


class Play(Protocol):
    """Sessions and tasks of one environment."""

    @property
    def sessions(self) -> _Sessions:
        """The sessions in which episodes are played."""

    async def info(self) -> EnvironmentInfo:
        """The environment's description. Raises NotFoundError or UnavailableError if the environment cannot be used."""

    async def tasks(self, split: str) -> Sequence[Task]:
        """The tasks of a split, in the environment's order."""

    async def aclose(self) -> None:
        """Close all sessions and connections."""


class _Local:
    def __init__(self, name: str, settings: EnvSettings) -> None:
        self._name, self._environments = name, configured(settings)
        self.sessions = SessionManager(self._environments, limits_of(settings))

    async def info(self) -> EnvironmentInfo:
        return (await asyncio.to_thread(self._environments.get, self._name)).info()

    async def tasks(self, split: str) -> Sequence[Task]:
        return (await asyncio.to_thread(self._environments.get, self._name)).tasks(split)

    async def aclose(self) -> None:
        await self.sessions.aclose()
        await asyncio.to_thread(self._environments.close)


class _Remote:
    def __init__(self, name: str, url: str, token: str) -> None:
        self._name, self.sessions = name, EnvClient(url, token)

    async def info(self) -> EnvironmentInfo:
        infos = {info.name: info for info in await self.sessions.environments()}
        if self._name not in infos:
            where = f"The env service at {self.sessions.base_url}"
            raise NotFoundError(f"{where} has no environment {self._name!r}.", hint=f"It has: {', '.join(infos)}.")
        if problem := infos[self._name].problem:
            raise NotFoundError(problem)
        return infos[self._name]

    async def tasks(self, split: str) -> Sequence[Task]:
        return await self.sessions.all_tasks(self._name, split)

    async def aclose(self) -> None:
        await self.sessions.aclose()


def opened(loop: Loop, name: str, url: str | None, token: str | None) -> tuple[Play, EnvironmentInfo]:
    """Open an environment of this process, or of the service at `url`; `token` defaults to `A3T_TOKEN`. Raises
    A3TError.
    """
    settings = EnvSettings()
    if url is not None and token is None:
        token = settings.token.get_secret_value()

    async def open_() -> tuple[Play, EnvironmentInfo]:
        play: Play = _Local(name, settings) if url is None else _Remote(name, url, token or "")
        try:
            return play, await play.info()
        except A3TError:
            await play.aclose()
            raise

    return loop.run(open_())
