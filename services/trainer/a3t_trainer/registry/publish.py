"""Publishes adapter versions atomically: the registry has either the complete version or nothing of it."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import fsspec

from a3t_contracts.errors import ConflictError, InvalidInputError, NotFoundError
from a3t_contracts.files import sync_files, sync_folder, write_atomically
from a3t_contracts.registry import RegistryReader, sha256_file
from a3t_contracts.schemas import FineTuningJobCreate
from a3t_contracts.schemas.adapter import MANIFEST_NAME, AdapterFile, AdapterManifest
from a3t_contracts.schemas.trajectory import PromptStyle

from .card import model_card

__all__ = ["PARTIAL_PREFIX", "Draft", "local_root", "publish", "published_by", "withdraw"]

PARTIAL_PREFIX = ".partial-"
_WANTED = ("adapter_model.safetensors", "adapter_config.json")


@dataclass(frozen=True, slots=True)
class Draft:
    """A trained adapter that is not published yet; `save` writes its weights and peft's config into a folder."""

    request: FineTuningJobCreate
    job_id: str
    base_fingerprint: str
    rank: int
    target_modules: list[str]
    save: Callable[[Path], Any]
    data: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    prompt: PromptStyle | None = None


def local_root(url: str) -> Path | None:
    """The folder of a local registry; None for a remote one."""
    fs, root = fsspec.core.url_to_fs(url)
    return Path(root) if "file" in (fs.protocol if isinstance(fs.protocol, tuple) else (fs.protocol,)) else None


def published_by(registry: str, version: str, job_id: str) -> AdapterManifest | None:
    """The manifest of the version if this job published it; None if no job did. Raises ConflictError if another job
    did.
    """
    try:
        manifest = RegistryReader(registry).manifest(version)
    except NotFoundError:
        return None
    if manifest.job_id != job_id:
        raise ConflictError(
            f"Adapter version {version!r} was published already, by job {manifest.job_id}.",
            hint="Versions are immutable; choose another name.",
        )
    return manifest


def publish(registry: str, draft: Draft) -> AdapterManifest:
    """Write a version: files, model card, and last the manifest with the hashes.

    A local registry gets the version by renaming a folder, a remote one by uploads. Raises ConflictError if the version
    exists, OSError if the disk is full; what was written until then is removed.
    """
    root = local_root(registry)
    if root is not None:
        root.mkdir(parents=True, exist_ok=True)
        _remove_partials(root, draft.request.version)
    partial = Path(mkdtemp(prefix=f"{PARTIAL_PREFIX}{draft.request.version}-", dir=root))
    try:
        manifest = _write(partial, draft)
        _upload(registry, partial, manifest) if root is None else _rename(root, partial, manifest)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return manifest


def withdraw(registry: str, version: str) -> None:
    """Remove a damaged version, its manifest first, so that it can be published again."""
    fs, root = fsspec.core.url_to_fs(registry)
    fs.rm(f"{root}/{version}/{MANIFEST_NAME}")
    fs.rm(f"{root}/{version}", recursive=True)


def _remove_partials(root: Path, version: str) -> None:
    """Remove what a killed process left of an earlier attempt. Only one process at a time publishes a version."""
    mine = re.compile(re.escape(f"{PARTIAL_PREFIX}{version}-") + r"[a-z0-9_]{8}")  # the names that mkdtemp makes
    for folder in root.glob(f"{PARTIAL_PREFIX}*"):
        if mine.fullmatch(folder.name):
            shutil.rmtree(folder, ignore_errors=True)


def _write(folder: Path, draft: Draft) -> AdapterManifest:
    folder.chmod(0o755)
    draft.save(folder)
    missing = [name for name in _WANTED if not (folder / name).is_file()]
    if missing:
        raise InvalidInputError(f"Saving adapter {draft.request.version!r} did not write {missing[0]}.")
    manifest = _manifest(draft)
    (folder / "README.md").write_text(model_card(manifest, draft.request), encoding="utf-8")
    sync_files(folder)
    files = {p.name: AdapterFile(sha256=sha256_file(p), size=p.stat().st_size) for p in sorted(folder.iterdir())}
    manifest = manifest.model_copy(update={"files": files})
    write_atomically(folder / MANIFEST_NAME, manifest.model_dump_json(indent=2))
    return manifest


def _manifest(draft: Draft) -> AdapterManifest:
    request = draft.request
    return AdapterManifest(
        version=request.version,
        run=request.run,
        round=request.round,
        base_model=request.model,
        base_fingerprint=draft.base_fingerprint,
        parent=request.parent,
        files={},
        rank=draft.rank,
        target_modules=draft.target_modules,
        objective=request.objective.model_dump(mode="json"),
        data=draft.data,
        metrics=draft.metrics,
        prompt=draft.prompt,
        job_id=draft.job_id,
        created_at=datetime.now(UTC),
    )


def _rename(root: Path, partial: Path, manifest: AdapterManifest) -> None:
    target = root / manifest.version
    if target.exists():
        published_by(str(root), manifest.version, manifest.job_id or "")
        shutil.rmtree(target)  # a folder without a manifest does not count as a version
    try:
        partial.rename(target)
    except OSError as error:
        published_by(str(root), manifest.version, manifest.job_id or "")
        raise error
    sync_folder(root)


def _upload(registry: str, partial: Path, manifest: AdapterManifest) -> None:
    published_by(registry, manifest.version, manifest.job_id or "")
    fs, root = fsspec.core.url_to_fs(registry)
    fs.makedirs(f"{root}/{manifest.version}", exist_ok=True)
    for name in [*manifest.files, MANIFEST_NAME]:
        fs.put_file(str(partial / name), f"{root}/{manifest.version}/{name}")
