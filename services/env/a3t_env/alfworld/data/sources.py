"""Reads game files from a folder, a zip or a tar archive, without trusting the source.

Only files named game.tw-pddl and traj_data.json are read, each up to a limit. Absolute names, `..`, links in place of a
game, and archives that unpack to more than a limit are refused.
"""

from __future__ import annotations

import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from a3t_contracts.errors import InvalidInputError, NotFoundError, TooLargeError

from ..game_file import MAX_FILE_BYTES
from .store import GAME_FILE, TRAJECTORY_FILE

__all__ = ["Member", "is_archive", "read_source"]

MAX_UNPACKED_BYTES = 16 * 2**30
MAX_MEMBERS = 1_000_000

_WANTED = frozenset({GAME_FILE, TRAJECTORY_FILE})
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    lzma.LZMAError,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    NotImplementedError,
)
"""Exceptions of damaged archives. ValueError: malformed numbers, names that are not UTF-8. NotImplementedError: unknown
compression."""
_ENCRYPTED = 0x1


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a game: the names of the folders above it, its name, and its content."""

    folders: tuple[str, ...]
    name: str
    data: bytes


def read_source(path: Path) -> Iterator[Member]:
    """The game files of a folder or an archive (zip; tar, plain or compressed with gzip, bzip2 or xz).

    Raises NotFoundError, InvalidInputError (damaged, unsafe or not an archive) and TooLargeError.
    """
    if path.is_dir():
        yield from _folder(path)
    elif not path.is_file():
        raise NotFoundError(f"There is no folder or archive {path}.")
    elif zipfile.is_zipfile(path):
        yield from _guarded(path, _zip(path))
    else:
        yield from _guarded(path, _tar(path))


def is_archive(path: Path) -> bool:
    """Whether a file looks like one that `read_source` opens."""
    try:
        return path.is_file() and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))
    except _DAMAGE:
        return False


def _guarded(path: Path, members: Iterator[Member]) -> Iterator[Member]:
    """Turn the exceptions of the archive modules into one clear error."""
    try:
        yield from members
    except _DAMAGE as error:
        raise InvalidInputError(
            f"{path} is damaged, or is not an archive: {str(error)[:160] or type(error).__name__}.",
            hint="Give a folder, a .zip, or a .tar (.gz, .bz2, .xz); download it again if it broke off.",
        ) from error


def _folder(root: Path) -> Iterator[Member]:
    root = root.resolve()
    for path in sorted(root.rglob("*")):
        is_link = path.is_symlink()
        if path.name not in _WANTED and not (is_link and path.is_dir()):
            continue
        if is_link or not path.is_file():
            raise InvalidInputError(f"{path} is not a regular file.", hint="Copy the games instead of linking them.")
        if path.stat().st_size > MAX_FILE_BYTES:
            raise TooLargeError(_too_large(str(path)))
        folders = (root.name, *path.relative_to(root).parts[:-1])
        yield Member(folders, path.name, _bytes(path))


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.") from error


def _zip(path: Path) -> Iterator[Member]:
    with zipfile.ZipFile(path) as archive:
        budget = _Budget(path)
        for info in archive.infolist():
            budget.spend(info.file_size)
            is_link = stat.S_ISLNK(info.external_attr >> 16)
            name = _safe(path, info.filename)
            if name.name not in _WANTED or info.is_dir():
                continue
            if is_link:
                raise InvalidInputError(f"The archive {path} holds a link in the place of a game: {name}.")
            if info.flag_bits & _ENCRYPTED:
                raise InvalidInputError(f"The archive {path} is encrypted: {name}.", hint="Unpack it yourself first.")
            with archive.open(info) as file:
                data = file.read(MAX_FILE_BYTES + 1)
            yield _member(path, name, data)


def _tar(path: Path) -> Iterator[Member]:
    with tarfile.open(path, mode="r|*") as archive:
        budget = _Budget(path)
        for info in archive:
            budget.spend(info.size)
            name = _safe(path, info.name)
            if name.name not in _WANTED or info.isdir():
                continue
            file = archive.extractfile(info) if info.isreg() else None
            if file is None:
                raise InvalidInputError(f"The archive {path} holds a link in the place of a game: {name}.")
            yield _member(path, name, file.read(MAX_FILE_BYTES + 1))


class _Budget:
    """Limit of the bytes that an archive may unpack to."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._bytes = self._members = 0

    def spend(self, size: int) -> None:
        self._bytes += size
        self._members += 1
        if self._bytes > MAX_UNPACKED_BYTES or self._members > MAX_MEMBERS:
            raise TooLargeError(
                f"The archive {self._path} unpacks to more than {MAX_UNPACKED_BYTES // 2**30} GiB or "
                f"{MAX_MEMBERS} files; the official archives have a tenth of that."
            )


def _safe(path: Path, name: str) -> PurePosixPath:
    pure = PurePosixPath(name.replace("\\", "/"))
    if pure.is_absolute() or ".." in pure.parts or "\0" in name or ":" in (pure.parts or ("",))[0]:
        raise InvalidInputError(f"The archive {path} has a file name that leads outside its folder: {name[:200]!r}.")
    return pure


def _member(path: Path, name: PurePosixPath, data: bytes) -> Member:
    if len(data) > MAX_FILE_BYTES:
        raise TooLargeError(_too_large(f"{path}: {name}"))
    return Member(name.parts[:-1], name.name, data)


def _too_large(where: str) -> str:
    return f"{where} has more than {MAX_FILE_BYTES // 2**20} MiB; no game is that large."
