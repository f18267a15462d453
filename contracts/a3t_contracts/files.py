"""Atomic writes: after a crash, and for every reader, a file or folder is the old one or the complete new one."""

from __future__ import annotations

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from .errors import ConflictError

__all__ = [
    "lock_file",
    "replace_folder",
    "replaced_atomically",
    "sole_writer",
    "sync_files",
    "sync_folder",
    "write_atomically",
]


def write_atomically(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Replace the content of a file so that readers, and a crash, find either the old content or the complete new one.

    Args:
        path: file to replace; its folder must exist.
        content: the new content.
        mode: permissions of the file, less the process's umask.
    """
    data = content.encode() if isinstance(content, str) else content
    with replaced_atomically(path, mode) as file:
        file.write(data)


@contextmanager
def replaced_atomically(path: Path, mode: int = 0o666) -> Iterator[BinaryIO]:
    """Open a new file for writing that replaces `path` at the end of the block. After an exception `path` is
    unchanged."""
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


def replace_folder(made: Path, target: Path) -> None:
    """Give the finished folder `made` the name `target`, in the place of an older folder of that name.

    Both must be on one file system. A crash between the two renames leaves the older folder beside `target`, as
    `.NAME.old`; the next call removes it.
    """
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    sync_folder(target.parent)
    shutil.rmtree(old, ignore_errors=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk (fsync), so that new and renamed files survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_files(folder: Path) -> None:
    """Flush every file of a folder to the disk (fsync)."""
    for path in folder.iterdir():
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold the lock of an existing folder. Raises ConflictError while another process or thread holds it."""
    with (folder / ".lock").open("w") as file:
        lock_file(file, folder, "process", hint="Wait until it has finished.")
        yield


def lock_file(file: IO[Any], path: Path, who: str, *, hint: str = "Wait for it, or stop it.") -> None:
    """Lock an open file until it is closed. If it is locked, close it and raise ConflictError.

    Args:
        file: the open file.
        path: what is written to, for the error.
        who: what may hold the lock, for the error: "process", "export".
        hint: what to do then, for the error.
    """
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        raise ConflictError(f"Another {who} is writing to {path}.", hint=hint) from error
