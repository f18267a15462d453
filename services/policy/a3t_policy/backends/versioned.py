"""The common part of all backends: adapter versions, and which of them is live."""

from __future__ import annotations

from pathlib import Path

from typing_extensions import override

from a3t_contracts.errors import UnavailableError
from a3t_contracts.schemas.policy import LiveState, ModelCard

from ..generation import Backend
from ..settings import PolicySettings
from ..versions import AdapterHost, BaseFacts, Live, Version, VersionManager, open_versions

__all__ = ["VersionedBackend", "version_folder"]


class VersionedBackend(Backend):
    """The methods of `Backend` that concern adapter versions. `_open` must be called first."""

    not_started: str
    """Message of the error for a call before `start` has ended."""

    def __init__(self) -> None:
        self._versions: VersionManager | None = None
        self._live: Live | None = None

    @override
    async def close(self) -> None:
        """Stop following the registry."""
        if self._live is not None:
            await self._live.close()

    @override
    async def load(self, name: str, path: str | None, make_default: bool) -> ModelCard:
        return await self.live.load(name, path, make_default)

    @override
    async def unload(self, name: str) -> None:
        await self.live.unload(name)

    @override
    async def follow(self) -> LiveState:
        return await self.live.follow()

    @override
    def live_state(self) -> LiveState:
        return self.live.state()

    @override
    def models(self) -> list[ModelCard]:
        return self.versions.cards()

    @property
    def versions(self) -> VersionManager:
        """The versions. Raises UnavailableError before `start` has ended."""
        if self._versions is None:
            raise UnavailableError(self.not_started, hint="Wait for `GET /ready`.")
        return self._versions

    @property
    def live(self) -> Live:
        """The object that decides which version is live. Raises UnavailableError before `start` has ended."""
        if self._live is None:
            raise UnavailableError(self.not_started, hint="Wait for `GET /ready`.")
        return self._live

    async def _open(self, host: AdapterHost, settings: PolicySettings, facts: BaseFacts) -> None:
        """Load the versions that were served before the restart; `host` holds their weights."""
        self._versions, self._live = await open_versions(host, settings, facts)

    def _live_facts(self) -> dict[str, object]:
        """Facts for `GET /ready`. Raises UnavailableError if it is not known which version is live."""
        self.versions.find(None)
        return self.live.state().model_dump(exclude_none=True)


def version_folder(version: Version) -> Path:
    """The folder of a version's files. Raises UnavailableError if they are not available."""
    if version.folder is None:
        raise UnavailableError(f"The files of version {version.name!r} are not available.")
    return version.folder
