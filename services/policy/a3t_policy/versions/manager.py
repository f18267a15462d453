"""Manages the loaded adapter versions: load, switch, lease to running requests, retire."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from a3t_contracts.errors import A3TError, ConflictError, InvalidInputError, NotFoundError, UnavailableError
from a3t_contracts.logging import get_logger
from a3t_contracts.registry import RegistryReader, valid_version
from a3t_contracts.schemas.adapter import AdapterManifest
from a3t_contracts.schemas.policy import ModelCard

from ..metrics import show_live
from .check import BaseFacts, check_adapter, content_id, read_manifest
from .state import SavedVersion, State, StateFile

__all__ = ["AdapterHost", "Version", "VersionManager"]

log = get_logger(__name__)


class AdapterHost(Protocol):
    """The object that holds the weights of versions: a backend."""

    async def put(self, version: Version) -> None:
        """Load the version's files beside the loaded versions, and check them. If this fails, raises an A3TError and
        changes nothing.
        """

    async def drop(self, version: Version) -> None:
        """Free the version's weights, which no request uses any more."""


@dataclass(eq=False, slots=True)
class Version:
    """A version that is served or is being retired. `number` identifies it within the process and is never used
    twice."""

    number: int
    name: str
    folder: Path | None
    manifest: AdapterManifest | None = None
    content: str = ""
    explicit_path: str | None = None
    created: int = field(default_factory=lambda: int(time.time()))
    leases: int = 0
    retired: bool = False
    used: int = 0


class VersionManager:
    """The loaded versions. All methods run on the event loop's thread. Versions are loaded and unloaded one at a
    time, while requests run.
    """

    def __init__(
        self, host: AdapterHost, registry: RegistryReader, base: BaseFacts, cap: int, state: StateFile
    ) -> None:
        self.host, self.registry, self.base_facts, self.cap, self.state = host, registry, base, cap, state
        self.base = Version(0, base.name, None)
        self.live = self.base
        self.unsettled: Exception | None = None
        """Why it is not known which version is live; None if it is known."""
        self._versions: dict[str, Version] = {}
        self._lock = asyncio.Lock()
        self._clock = self._next_number = 0
        self._drops: set[asyncio.Task[None]] = set()
        show_live(self.live.name)

    def lease(self, model: str | None) -> Version:
        """Lease the version for a request. The caller returns it with `release`. Raises NotFoundError."""
        version = self.find(model)
        self._clock += 1
        version.used = self._clock
        version.leases += 1
        return version

    def release(self, version: Version) -> None:
        """Return a version at the end of a request. The last request of a retired version frees its weights."""
        version.leases -= 1
        if version.retired and version.leases == 0:
            self._drop_soon(version)

    @contextmanager
    def leased(self, model: str | None) -> Iterator[Version]:
        """`lease` and `release` as a context manager."""
        version = self.lease(model)
        try:
            yield version
        finally:
            self.release(version)

    def find(self, model: str | None) -> Version:
        """The version with this name; None names the live version. Raises NotFoundError, and UnavailableError while it
        is not known which version is live."""
        if model is None:
            if self.unsettled is not None:
                raise UnavailableError(f"The live version is not known yet: {self.unsettled}")
            return self.live
        if model == self.base.name:
            return self.base
        if model in self._versions:
            return self._versions[model]
        raise NotFoundError(
            f"No model or adapter version {model!r} is served here.",
            hint="`GET /v1/models` lists them; `POST /v1/load_lora_adapter` loads one.",
        )

    def served(self) -> list[Version]:
        """The base, then the versions, the oldest first."""
        return [self.base, *self._versions.values()]

    def holds(self, model: str) -> bool:
        """Whether a version of this name can be leased now."""
        return model == self.base.name or model in self._versions

    @property
    def has_room(self) -> bool:
        """Whether one more version can be loaded without unloading another."""
        return len(self._versions) < self.cap

    @property
    def has_place_beside_live(self) -> bool:
        """Whether a version that is not live can be loaded at all."""
        return self.cap > 1 or self.live is self.base

    def card(self, name: str) -> ModelCard:
        """The entry of a version in `cards`. Raises NotFoundError."""
        return self._card(self.find(name))

    def cards(self) -> list[ModelCard]:
        """Entries of `GET /v1/models`: the base, then the versions, the oldest first."""
        base = ModelCard(
            id=self.base.name,
            created=self.base.created,
            root=self.base.name,
            live=self.live is self.base,
            prompt=self.base_facts.prompt,
        )
        return [base, *(self._card(version) for version in self._versions.values())]

    async def load(self, name: str, path: str | None = None, make_default: bool = True) -> ModelCard:
        """Verify, load and check a version; with `make_default`, it also goes live. Repeating the call changes nothing.

        Raises NotFoundError, InvalidInputError (the adapter does not fit the base) or ConflictError (the name stands
        for other weights or settings). After an error, the live version stays live.
        """
        async with self._lock:
            version = await self._load(valid_version(name), path, make_default)
            if make_default:
                self.live = version
            self._retire_over_cap()
            await self._save()
            log.info("version.loaded", version=name, live=self.live.name)
            return self._card(version)

    async def unload(self, name: str) -> None:
        """Stop serving a version. If it was live, the base becomes live.

        Afterwards, the name may be used for other weights, even if a changed folder was refused under it before. Raises
        NotFoundError.
        """
        async with self._lock:
            if name == self.base.name:
                raise ConflictError(
                    "The base model cannot be unloaded.", hint="Name an adapter version; `GET /v1/models` lists them."
                )
            remembered = self.state.contents.pop(name, None)
            if remembered is None or name in self._versions:
                version = self.find(name)
                if self.live is version:
                    self.live = self.base
                self._retire(version)
            await self._save()

    async def serve_base(self) -> None:
        """Make the base live again."""
        async with self._lock:
            self.live = self.base
            await self._save()

    async def drained(self) -> None:
        """Wait until the weights of all retired versions are freed."""
        while self._drops:
            await asyncio.gather(*self._drops)

    async def _load(self, name: str, path: str | None, make_default: bool) -> Version:
        folder, manifest = await asyncio.to_thread(self._verified, name, path)
        content = await asyncio.to_thread(content_id, folder, manifest)
        known = self._versions.get(name)
        if known is not None:
            if known.content != content:
                raise ConflictError(
                    f"Version {name!r} is served with other weights or settings than those in {folder}.",
                    hint="Versions never change: publish under a new name.",
                )
            return known
        if self.state.contents.get(name, content) != content:
            raise ConflictError(
                f"{name!r} was served before with other weights or settings than those in {folder}.",
                hint="Versions never change: publish under a new name, or unload the name first.",
            )
        if name == self.base.name:
            raise ConflictError(
                f"{name!r} is the name of the base model.", hint="Give the adapter version another name."
            )
        if not make_default and not self.has_place_beside_live:
            raise ConflictError("There is only room for the live version.", hint="Raise A3T_POLICY_MAX_ADAPTERS.")
        self._next_number += 1
        version = Version(self._next_number, name, folder, manifest, content, path)
        await self.host.put(version)
        self._clock += 1
        version.used = self._clock
        self._versions[name] = version
        self.state.remember(name, content)
        return version

    def _verified(self, name: str, path: str | None) -> tuple[Path, AdapterManifest | None]:
        manifest: AdapterManifest | None
        if path is None:
            folder, manifest = self.registry.fetch(name)
        else:
            folder = Path(path).expanduser()
            if not folder.is_dir():
                raise NotFoundError(
                    f"There is no adapter folder {path}.",
                    hint="`lora_path` is a path on the machine of the policy service.",
                )
            manifest = read_manifest(folder)
        if manifest is not None and manifest.version != name:
            raise InvalidInputError(
                f"The manifest in the folder of {name!r} names version {manifest.version!r}.",
                hint="Load the version under the name in its manifest.",
            )
        check_adapter(folder, manifest, self.base_facts)
        return folder, manifest

    def _retire_over_cap(self) -> None:
        while len(self._versions) > self.cap:
            others = [v for v in self._versions.values() if v is not self.live]
            self._retire(min(others, key=lambda v: v.used))

    def _retire(self, version: Version) -> None:
        del self._versions[version.name]
        version.retired = True
        log.info("version.retired", version=version.name, running=version.leases)
        if version.leases == 0:
            self._drop_soon(version)

    def _drop_soon(self, version: Version) -> None:
        task = asyncio.get_running_loop().create_task(self._drop(version))
        self._drops.add(task)
        task.add_done_callback(self._drops.discard)

    async def _drop(self, version: Version) -> None:
        try:
            await self.host.drop(version)
        except A3TError as error:
            log.warning("version.drop_failed", version=version.name, reason=str(error))

    async def _save(self) -> None:
        saved = [SavedVersion(name=v.name, path=v.explicit_path, content=v.content) for v in self._versions.values()]
        show_live(self.live.name)
        live = None if self.live is self.base else self.live.name
        state = State(
            base_fingerprint=self.base_facts.fingerprint, live=live, versions=saved, contents=self.state.contents
        )
        try:
            await asyncio.to_thread(self.state.write, state)
        except OSError as error:  # the version is served, but will not be restored after a restart
            log.warning("state.unwritable", path=str(self.state.path), reason=str(error))

    def _card(self, version: Version) -> ModelCard:
        return ModelCard(
            id=version.name,
            created=version.created,
            root=str(version.folder),
            parent=self.base.name,
            live=version is self.live,
            prompt=(version.manifest and version.manifest.prompt) or self.base_facts.prompt,
        )
