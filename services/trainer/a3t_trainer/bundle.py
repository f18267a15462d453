"""Folders that are whole or do not count: files are synced, and a manifest of their hashes is written last."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from a3t_contracts.registry import sha256_file

__all__ = ["is_whole", "seal", "sync_folder", "write_atomically"]

MANIFEST = "manifest.json"


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content so that a reader, or a crash, sees the old or the new and nothing between."""
    data = content.encode() if isinstance(content, str) else content
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(folder: Path) -> None:
    """Make the files of a folder durable."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


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
    """Whether a sealed folder holds what its manifest says."""
    try:
        files = json.loads((folder / MANIFEST).read_text())["files"]
        return all(sha256_file(folder / name) == about["sha256"] for name, about in files.items())
    except (OSError, ValueError, KeyError):
        return False
