"""Atomic writes: a reader, or a program that starts after a crash, sees a file whole or not at all."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .errors import ConflictError

__all__ = ["replaced_atomically", "sole_writer", "sync_files", "sync_folder", "write_atomically"]


def write_atomically(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Replace a file's content so that a reader, or a crash, sees the old or the new and nothing between.

    Args:
        mode: permissions of the file, less the process's umask.
    """
    data = content.encode() if isinstance(content, str) else content
    with replaced_atomically(path, mode) as file:
        file.write(data)


@contextmanager
def replaced_atomically(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """A file to write to, which takes the place of `path` at the block's end; after an error `path` stays as it was."""
    partial = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.partial")
    try:
        with open(partial, "wb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
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


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of an existing folder, so that no other process or thread is inside such a block with it. Raises
    ConflictError where somebody is."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConflictError(
                f"Another process is writing to {folder}.", hint="Wait until it has finished."
            ) from error
        yield
