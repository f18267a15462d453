"""Decides which adapter version is live, that is, serves the requests that name no version.

`RegistryLive`: the version that the registry's pointer names, which is the same on every replica. `OwnLive`: the
version that a request made the default (`make_default`), for a single replica without a trainer.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from typing_extensions import override

from a3t_contracts.clients import TrainerClient
from a3t_contracts.errors import A3TError, ConflictError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.registry import RegistryReader, valid_version
from a3t_contracts.schemas.adapter import LivePointer
from a3t_contracts.schemas.policy import LiveState, ModelCard

from ..settings import PolicySettings
from .check import BaseFacts
from .manager import AdapterHost, VersionManager
from .state import State, StateFile

__all__ = ["Live", "OwnLive", "Promote", "RegistryLive", "open_versions"]

Promote = Callable[[str], Awaitable[None]]
"""Moves the registry's pointer to a version, through the trainer service."""

_FALL_BACKS = 5
_LONGEST_PAUSE = 60.0

log = get_logger(__name__)


class OwnLive:
    """The live version is the one that was last loaded with `make_default`. It is remembered across restarts."""

    def __init__(self, versions: VersionManager, restore: bool) -> None:
        self.versions, self._restore = versions, restore

    async def start(self) -> None:
        """Load the versions that were served before the restart, except those that can no longer be loaded."""
        saved = await self._saved()
        for item in sorted(saved.versions, key=lambda v: v.name == saved.live):
            await self._try_load(item.name, item.path, item.name == saved.live)

    async def close(self) -> None:
        """Stop background work."""

    async def load(self, name: str, path: str | None, make_default: bool) -> ModelCard:
        """Load a version; see `VersionManager.load`."""
        return await self.versions.load(name, path, make_default)

    async def unload(self, name: str) -> None:
        """Stop serving a version. If it was live, the base becomes live."""
        await self.versions.unload(name)

    async def ensure(self, model: str | None) -> None:
        """Make sure that a named version is loaded before a request begins. Does nothing here: versions are loaded
        only on request.
        """

    async def follow(self) -> LiveState:
        """Raise ConflictError: this service follows no pointer."""
        raise ConflictError(
            "This service chooses its live version itself (A3T_POLICY_LIVE=own).",
            hint="Load a version with `make_default`, or set A3T_POLICY_LIVE=registry.",
        )

    def state(self) -> LiveState:
        """The live version."""
        return LiveState(live=self.versions.live.name)

    async def _saved(self) -> State:
        if not self._restore:
            return State()
        return await asyncio.to_thread(self.versions.state.read, self.versions.base_facts.fingerprint)

    async def _try_load(self, name: str, path: str | None, make_default: bool) -> bool:
        try:
            await self.versions.load(name, path, make_default)
        except (A3TError, OSError) as error:
            log.warning("version.refused", version=name, reason=str(error), live=self.versions.live.name)
            return False
        return True


class RegistryLive(OwnLive):
    """The live version is the one that the registry's pointer names.

    If the pointer cannot be read, or its version cannot be loaded, the last good version stays live and `state` says
    why. After a start, the last good version is taken from the pointer's history, so that replicas agree. If no version
    is known yet because the registry cannot be reached, requests that name no version get 503.

    Args:
        versions: the loaded versions.
        restore: whether versions that were loaded before the restart are loaded again.
        promote: moves the pointer; None if no trainer is configured.
        seconds: seconds between two reads of the pointer; 0: it is read only at the start and in `follow`.
    """

    def __init__(self, versions: VersionManager, restore: bool, promote: Promote | None, seconds: float) -> None:
        super().__init__(versions, restore)
        self._promote, self._seconds = promote, seconds
        self._pointer: LivePointer | None = None
        self._refused: str | None = None
        self._settled = False
        self._retry_at, self._pause = 0.0, 0.0
        self._looking = asyncio.Lock()
        self._watching: asyncio.Task[None] | None = None
        self._arriving: dict[str, asyncio.Task[None]] = {}

    async def start(self) -> None:
        """Load the version that the pointer names, then as many as fit of those that were served before the restart."""
        saved = await self._saved()
        await self.follow()
        for item in reversed(saved.versions):
            if self.versions.has_room and not self.versions.holds(item.name):
                await self._try_load(item.name, item.path, False)
        if self._seconds:
            self._watching = asyncio.create_task(self._watch())

    @override
    async def close(self) -> None:
        tasks = [*self._arriving.values(), *([self._watching] if self._watching else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def load(self, name: str, path: str | None, make_default: bool) -> ModelCard:
        """Load a version; with `make_default` also move the pointer to it, once it is known to load.

        With `make_default`, raises InvalidInputError for a folder outside the registry, ConflictError if no trainer is
        configured or the pointer was moved to another version in the meantime.
        """
        if make_default:
            self._check_may_go_live(path)
        if not make_default or self.versions.has_place_beside_live:
            card = await self.versions.load(name, path, make_default=False)
            if not make_default:
                return card
        if self._promote is not None:
            await self._promote(name)
        await self.follow()
        if self.versions.live.name != name:
            raise ConflictError(
                f"{name!r} was promoted but is not live here: {self._refused or 'another version is live'}."
            )
        return self.versions.card(name)

    async def unload(self, name: str) -> None:
        """Stop serving a version until a request names it again. Raises ConflictError for the live version."""
        if name == self.versions.live.name != self.versions.base.name:
            raise ConflictError(
                f"Version {name!r} is live: the registry's pointer names it.",
                hint="Promote another one, or the base with `a3t adapters demote`.",
            )
        await self.versions.unload(name)

    async def ensure(self, model: str | None) -> None:
        """Load a version of the registry when a request names it for the first time. For an unknown name, `lease`
        raises later.

        Loading continues if the request that caused it is cancelled. Raises what loading raises, except NotFoundError.
        """
        if model is None or self.versions.holds(model):
            return
        task = self._arriving.get(model)
        if task is None:
            task = self._arriving[model] = asyncio.create_task(self._arrive(model))
            task.add_done_callback(lambda done: self._arrived(model, done))
        await asyncio.shield(task)

    async def follow(self) -> LiveState:
        """Read the pointer now and serve the version that it names."""
        self._retry_at = 0.0
        await self._look()
        return self.state()

    def state(self) -> LiveState:
        """The live version, the version that the pointer names, and why they differ."""
        pointer = self._pointer.version if self._pointer else None
        return LiveState(live=self.versions.live.name, pointer=pointer, refused=self._refused)

    async def _look(self) -> None:
        async with self._looking:
            try:
                pointer = await asyncio.to_thread(self.versions.registry.live)
                if pointer is None and self._pointer is not None:
                    raise UnavailableError(f"The registry {self.versions.registry.url} no longer has its pointer.")
            except A3TError as error:
                self._keep_last_good(error)
                self._retry_at = 0.0
                return
            if pointer != self._pointer:
                self._pointer, self._retry_at = pointer, 0.0
            if time.monotonic() >= self._retry_at:
                await self._adopt(pointer or LivePointer())

    async def _adopt(self, pointer: LivePointer) -> None:
        versions, wanted = self.versions, pointer.version or self.versions.base.name
        try:
            if wanted != versions.live.name:
                await (versions.load(wanted, None, make_default=True) if pointer.version else versions.serve_base())
        except (A3TError, OSError) as error:
            if not self._settled and isinstance(error, A3TError) and error.status < 500:
                await self._fall_back(pointer.history)
            self._keep_last_good(error)
            return
        self._settled, self._refused, self._pause, versions.unsettled = True, None, 0.0, None

    async def _fall_back(self, history: Sequence[str]) -> None:
        """After a start with a live version that cannot be loaded, serve the newest earlier one that can, else the
        base.
        """
        for version in reversed(history[-_FALL_BACKS:]):
            if await self._try_load(version, None, True):
                break
        self._settled, self.versions.unsettled = True, None

    def _keep_last_good(self, error: Exception) -> None:
        """Record why the pointer is not followed, and keep the live version. If none was known yet, requests get
        503.
        """
        if self._refused != str(error):
            log.warning("pointer.not_followed", reason=str(error), live=self.versions.live.name)
        self._refused = str(error)
        self._pause = min(_LONGEST_PAUSE, 2 * self._pause or self._seconds)
        self._retry_at = time.monotonic() + self._pause
        if not self._settled:
            self.versions.unsettled = error

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(self._seconds)
            try:
                await self._look()
            except Exception:
                log.exception("pointer.watch_failed")

    async def _arrive(self, name: str) -> None:
        with suppress(NotFoundError):
            try:
                valid_version(name)
            except InvalidInputError:
                return  # no version has such a name
            await self.versions.load(name, None, make_default=False)
            log.info("version.loaded_on_demand", version=name)

    def _arrived(self, name: str, task: asyncio.Task[None]) -> None:
        del self._arriving[name]
        if not task.cancelled() and (error := task.exception()):
            log.warning("version.refused", version=name, reason=str(error), live=self.versions.live.name)

    def _check_may_go_live(self, path: str | None) -> None:
        if path is not None:
            raise InvalidInputError(
                "lora_path: only a version of the registry can go live for every replica.",
                hint="Leave make_default out and name the version in `model`, or publish it in the registry.",
            )
        if self._promote is None:
            raise ConflictError(
                "make_default moves the registry's pointer through the trainer service, but no trainer is configured.",
                hint="Set A3T_TRAINER_URL, use `a3t adapters promote`, or set A3T_POLICY_LIVE=own without a trainer.",
            )


Live = OwnLive | RegistryLive


async def open_versions(host: AdapterHost, settings: PolicySettings, facts: BaseFacts) -> tuple[VersionManager, Live]:
    """Load the versions that the settings and the state file name, and create the object that decides which one is
    live. The caller must close that object.
    """
    registry = RegistryReader(settings.registry_url, settings.home / "policy" / "adapters")
    versions = VersionManager(host, registry, facts, settings.policy_max_adapters, StateFile(settings.state_file))
    restore = settings.policy_restore == "state"
    live: Live = (
        OwnLive(versions, restore)
        if settings.policy_live == "own"
        else RegistryLive(versions, restore, _promoter(settings), settings.policy_watch_registry)
    )
    await live.start()
    return versions, live


def _promoter(settings: PolicySettings) -> Promote | None:
    """A function that moves the pointer through the trainer service; None where no trainer is configured."""
    url = settings.trainer_url
    if not url:
        return None

    async def promote(version: str) -> None:
        async with TrainerClient(url, settings.token.get_secret_value()) as trainer:
            await trainer.promote(version)

    return promote
