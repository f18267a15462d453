"""Files that a reader, or a crash, never finds half-written."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["sync_files", "sync_folder", "write_atomically"]


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
