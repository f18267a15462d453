"""Removes adapter versions that are no longer needed."""

from __future__ import annotations

import shutil
import time
from collections import defaultdict
from pathlib import Path

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.registry import RegistryReader
from a3t_contracts.schemas.adapter import MANIFEST_NAME, AdapterManifest, GarbageReport

from .live import live
from .publish import PARTIAL_PREFIX, local_root

__all__ = ["collect_garbage"]

_LEFTOVER_SECONDS = 3600.0


def collect_garbage(registry: str, keep: int, *, dry_run: bool = False) -> GarbageReport:
    """Remove all but the newest `keep` versions of each run, and remains of unfinished publications older than an hour.

    The live version, the version to which a rollback would return, and the parents of kept versions are always kept.
    Raises InvalidInputError for a remote registry, whose storage has its own rules for deletion.
    """
    root = local_root(registry)
    if root is None:
        raise InvalidInputError(
            f"Garbage can be collected only in a local registry, not in {registry}.",
            hint="Delete old versions with the tools of that storage.",
        )
    reader = RegistryReader(registry)
    manifests = {version: reader.manifest(version) for version in reader.versions()}
    kept = _kept(manifests, registry, keep)
    doomed = [root / version for version in manifests if version not in kept]
    doomed += _leftovers(root, set(manifests)) if root.is_dir() else []
    freed = sum(p.stat().st_size for folder in doomed for p in folder.rglob("*") if p.is_file())
    if not dry_run:
        for folder in doomed:
            _remove(folder)
    return GarbageReport(removed=[d.name for d in doomed], kept=sorted(kept), freed_bytes=freed, dry_run=dry_run)


def _kept(manifests: dict[str, AdapterManifest], registry: str, keep: int) -> set[str]:
    by_run: dict[str, list[str]] = defaultdict(list)
    for version, manifest in manifests.items():  # oldest first
        by_run[manifest.run].append(version)
    kept = {version for versions in by_run.values() for version in versions[max(0, len(versions) - keep) :]}
    pointer = live(registry)
    before = [version for version in pointer.history if version in manifests]
    kept |= {version for version in (pointer.version, *before[-1:]) if version in manifests}
    for version in list(kept):
        parent = manifests[version].parent
        while parent in manifests and parent not in kept:
            kept.add(parent)
            parent = manifests[parent].parent
    return kept


def _leftovers(root: Path, versions: set[str]) -> list[Path]:
    """Folders without a manifest that have not changed for an hour."""
    limit = time.time() - _LEFTOVER_SECONDS
    folders = (p for p in root.iterdir() if p.is_dir() and p.name not in versions)
    unfinished = (p for p in folders if p.name.startswith(PARTIAL_PREFIX) or not (p / MANIFEST_NAME).exists())
    return [p for p in unfinished if p.stat().st_mtime < limit]


def _remove(folder: Path) -> None:
    """Delete a version, its manifest first, so that a partly deleted folder does not count as a version."""
    (folder / MANIFEST_NAME).unlink(missing_ok=True)
    shutil.rmtree(folder)
