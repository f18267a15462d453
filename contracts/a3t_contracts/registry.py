"""Reads the adapter registry: a folder, or an fsspec URL, with one immutable folder per adapter version.

`<registry>/<version>/{adapter_model.safetensors, adapter_config.json, README.md, manifest.json}`. The manifest is
written last: a folder without one is not a version. Only the trainer writes to the registry.
"""

from __future__ import annotations

import hashlib
import struct
from pathlib import Path

import fsspec
from pydantic import TypeAdapter, ValidationError

from .errors import InvalidInputError, NotFoundError, UnavailableError
from .safe_weights import ADAPTER_CONFIG, ADAPTER_WEIGHTS, check_adapter_files
from .schemas.adapter import MANIFEST_NAME, AdapterManifest, LivePointer
from .schemas.base import Name

__all__ = ["LIVE_NAME", "RegistryReader", "base_fingerprint", "sha256_file"]

LIVE_NAME = "live.json"
"""File name of the live pointer, in the registry's own folder."""

_NAME: TypeAdapter[str] = TypeAdapter(Name)
_CHUNK = 1 << 20


class RegistryReader:
    """Lists, verifies and fetches adapter versions.

    Args:
        url: a folder or an fsspec URL such as `s3://bucket/prefix`.
        cache: local folder into which versions of a remote registry are copied; unused for a local registry.
    """

    def __init__(self, url: str | Path, cache: Path | None = None) -> None:
        self.url = str(url)
        # A cached listing would hide versions that other processes publish.
        self._fs, self._root = fsspec.core.url_to_fs(self.url, use_listings_cache=False)
        self._local = self._fs.protocol in ("file", ("file", "local")) or "file" in tuple(self._fs.protocol)
        self._cache = cache

    def versions(self) -> list[str]:
        """List the names of all complete versions, the oldest manifest first."""
        if not self._fs.exists(self._root):
            return []
        manifests = [m for m in (self._read(name) for name in self._folders()) if m is not None]
        return [m.version for m in sorted(manifests, key=lambda m: (m.created_at, m.version))]

    def manifest(self, version: str) -> AdapterManifest:
        """Read the manifest of a version. Raises NotFoundError, or InvalidInputError for a broken manifest."""
        name = valid_version(version)
        path = f"{self._root}/{name}/{MANIFEST_NAME}"
        if not self._fs.exists(path):
            raise NotFoundError(
                f"There is no adapter version {name!r} in {self.url}.",
                hint="`a3t adapters list` shows the versions.",
            )
        try:
            return AdapterManifest.model_validate_json(self._fs.cat_file(path))
        except ValidationError as error:
            raise InvalidInputError(
                f"The manifest of adapter {name!r} is broken: {error.errors()[0]['msg']}.",
                hint="Publish it again, or remove its folder.",
            ) from error

    def holds(self, version: str) -> bool:
        """Return whether the registry has a complete version of this name. Only its manifest is read."""
        return self._read(version) is not None

    def fetch(self, version: str) -> tuple[Path, AdapterManifest]:
        """Return a local folder with the version's files, after comparing each with its hash, and the manifest. Raises
        InvalidInputError for a corrupt version."""
        manifest = self.manifest(version)
        folder = Path(self._root) / manifest.version if self._local else self._download(manifest)
        verify_folder(folder, manifest)
        return folder, manifest

    def live(self) -> LivePointer | None:
        """Read the live pointer. Returns None where no version was ever promoted.

        Raises UnavailableError where the registry cannot be read, InvalidInputError for a broken pointer.
        """
        path = f"{self._root}/{LIVE_NAME}"
        try:
            content = self._fs.cat_file(path)
        except FileNotFoundError:
            return None
        except Exception as error:  # every fsspec file system raises its own classes of errors
            raise UnavailableError(
                f"{self.url}/{LIVE_NAME} cannot be read: {error!r}.",
                hint="Check A3T_REGISTRY, the network and the credentials.",
            ) from error
        try:
            return LivePointer.model_validate_json(content)
        except ValidationError as error:
            raise InvalidInputError(
                f"{self.url}/{LIVE_NAME} is broken: {error.errors()[0]['msg']}.",
                hint="Promote a version again, or remove the file to serve the base model.",
            ) from error

    def _folders(self) -> list[str]:
        entries = self._fs.ls(self._root, detail=True)
        return [Path(e["name"]).name for e in entries if e["type"] == "directory"]

    def _read(self, name: str) -> AdapterManifest | None:
        """Read the manifest of a folder; None if the folder is not a complete version."""
        try:
            return self.manifest(name)
        except (InvalidInputError, NotFoundError):
            return None

    def _download(self, manifest: AdapterManifest) -> Path:
        if self._cache is None:
            raise InvalidInputError(
                f"A remote registry ({self.url}) needs a cache folder.", hint="Pass `cache=` to RegistryReader."
            )
        folder = self._cache / manifest.version
        folder.mkdir(parents=True, exist_ok=True)
        for name, expected in manifest.files.items():
            target = folder / name
            if not target.exists() or sha256_file(target) != expected.sha256:
                partial = target.with_name(target.name + ".partial")
                self._fs.get_file(f"{self._root}/{manifest.version}/{name}", str(partial))
                partial.replace(target)
        return folder


def valid_version(version: str) -> str:
    """Return `version` if it can be the name of a version. Otherwise raises InvalidInputError, before any path is made
    of it."""
    try:
        return _NAME.validate_python(version)
    except ValidationError as error:
        raise InvalidInputError(
            f"{version!r} is not a valid name of an adapter version.",
            hint="Use letters, digits, '.', '_' and '-'; begin with a letter or a digit.",
        ) from error


def verify_folder(folder: Path, manifest: AdapterManifest) -> None:
    """Compare every file with the manifest. Raises InvalidInputError that names the first file that is missing,
    different, not listed or a pickle."""
    for name, expected in manifest.files.items():
        if "/" in name or "\\" in name or name in ("", ".", ".."):
            raise InvalidInputError(
                f"The manifest of adapter {manifest.version!r} names a file with a folder: {name!r}.",
                hint="Publish the version again; a manifest must name files without a folder.",
            )
        path = folder / name
        if not path.is_file():
            raise InvalidInputError(
                f"Adapter {manifest.version!r} lacks its file {name}.",
                hint="Publish it again, or go back to an earlier version.",
            )
        if path.stat().st_size != expected.size or sha256_file(path) != expected.sha256:
            raise InvalidInputError(
                f"Adapter {manifest.version!r} is corrupt: {name} does not match the SHA-256 of its manifest.",
                hint="Publish it again, or go back to an earlier version.",
            )
    check_adapter_files(folder)
    for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS):
        if name not in manifest.files:
            raise InvalidInputError(
                f"The manifest of adapter {manifest.version!r} does not list {name}.",
                hint="An adapter's weights are taken from safetensors files only; publish it again.",
            )


def sha256_file(path: Path) -> str:
    """Return the SHA-256 of a file in hex digits."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def base_fingerprint(model: str | Path) -> str:
    """Compute a SHA-256 that identifies a base model, without reading many gigabytes.

    It covers config.json and, for every safetensors file, the size, the header (names, shapes, dtypes) and the first
    and last MiB. For a Hub id without a local folder it is the SHA-256 of the id.
    """
    folder = Path(model)
    digest = hashlib.sha256()
    if not folder.is_dir():
        digest.update(str(model).encode())
        return digest.hexdigest()
    config = folder / "config.json"
    if not config.is_file():
        raise InvalidInputError(
            f"{folder} is no model folder: it has no config.json.",
            hint="Name the folder that save_pretrained(…) wrote.",
        )
    digest.update(config.read_bytes())
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode())
        _digest_weights(digest, path)
    return digest.hexdigest()


def _digest_weights(digest: hashlib._Hash, path: Path) -> None:
    size = path.stat().st_size
    digest.update(str(size).encode())
    with path.open("rb") as file:
        prefix = file.read(8)
        header = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else 0
        digest.update(file.read(min(header, 64 * _CHUNK)))
        digest.update(file.read(_CHUNK))
        file.seek(max(0, size - _CHUNK))
        digest.update(file.read(_CHUNK))
