"""Folders that are written atomically: all files are synced to the disk, then a manifest with their hashes is
written.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from a3t_contracts.files import sync_files, write_atomically
from a3t_contracts.registry import sha256_file

__all__ = ["is_whole", "seal"]

MANIFEST = "manifest.json"


def seal(folder: Path, **about: Any) -> None:
    """Write `manifest.json` with the size and SHA-256 of every file, after all of them are on the disk."""
    sync_files(folder)
    files = {
        path.name: {"size": path.stat().st_size, "sha256": sha256_file(path)}
        for path in sorted(folder.iterdir())
        if path.is_file()
    }
    write_atomically(folder / MANIFEST, json.dumps({**about, "files": files}, indent=2))


def is_whole(folder: Path) -> bool:
    """Whether all files of a sealed folder match its manifest."""
    try:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        return all(sha256_file(folder / name) == about["sha256"] for name, about in files.items())
    except (OSError, ValueError, KeyError):
        return False
