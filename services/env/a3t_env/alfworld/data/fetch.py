"""`a3t data fetch alfworld`: downloads the official release archives, resumably and checked.

Length and SHA-256 of an archive are compared with those that the releases had in 2026. If the SHA-256 of an archive is
not known, the CRC-32 of every member of the zip is checked instead.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from a3t_contracts.errors import InvalidInputError, UnavailableError, UpstreamError
from a3t_contracts.registry import sha256_file

__all__ = ["ARCHIVES", "Archive", "fetch_archive"]

_RELEASES = "https://github.com/alfworld/alfworld/releases/download"


@dataclass(frozen=True, slots=True)
class Archive:
    """A file to download: its address, its size in bytes and its SHA-256, which is empty where it is not known."""

    url: str
    size: int
    sha256: str = ""

    @property
    def name(self) -> str:
        """Name of the file."""
        return self.url.rsplit("/", 1)[-1]


ARCHIVES = {
    "json": Archive(
        f"{_RELEASES}/0.2.2/json_2.1.1_json.zip",
        72_018_818,
        "25171f16e20ad7b048c47275c45b0babf3aa1cbab29cec97387922350a9844bc",
    ),
    "pddl": Archive(
        f"{_RELEASES}/0.2.2/json_2.1.1_pddl.zip",
        34_881_784,
        "913942ebed06659ea0da2f8122512d98bc6add30d84961ca803132d8fbcad585",
    ),
    "tw-pddl": Archive(
        f"{_RELEASES}/0.4.2/json_2.1.3_tw-pddl.zip",
        36_507_267,
        "5df77ea759f2211a4106082839ddbbb790f1ba4e7d097ed732cf453f72aa36cf",
    ),
    "tw-pddl-2.1.2": Archive(f"{_RELEASES}/0.4.0/json_2.1.2_tw-pddl.zip", 36_493_542),
}
"""Trajectories, PDDL problems and playable games; the first three together make the official folder."""

_TIMEOUT = httpx.Timeout(30.0, connect=15.0)

Progress = Callable[[int, int], None]
"""Called with the number of bytes downloaded so far, and the size of the file in bytes."""


def fetch_archive(archive: Archive, folder: Path, progress: Progress | None = None) -> Path:
    """Download an archive into a folder and return its path; an interrupted download is continued.

    Raises UnavailableError without a network, UpstreamError if the server refuses or the transfer breaks (the part is
    kept), InvalidInputError if the file is not the archive (it is removed).
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / archive.name
    if target.exists():
        _check(archive, target)
        return target
    part = target.with_name(f"{target.name}.part")
    try:
        _download(archive, part, progress)
    except httpx.TransportError as error:
        raise UnavailableError(
            f"{archive.url} cannot be reached, or the transfer broke off: {error or type(error).__name__}.",
            hint="Run the same command again to continue the download; `a3t data generate alfworld` and "
            "`a3t data import alfworld` need no network.",
        ) from error
    _check(archive, part)
    part.replace(target)
    return target


def _download(archive: Archive, part: Path, progress: Progress | None) -> None:
    have = part.stat().st_size if part.exists() else 0
    if have >= archive.size:
        return
    headers = {"Range": f"bytes={have}-"} if have else {}
    with httpx.stream("GET", archive.url, headers=headers, follow_redirects=True, timeout=_TIMEOUT) as reply:
        if reply.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise UpstreamError(f"{archive.url} answered {reply.status_code}.", hint="Try again later.")
        here = have if reply.status_code == httpx.codes.PARTIAL_CONTENT else 0
        _save(reply.iter_raw(), archive, part, here, progress)


def _save(chunks: Iterable[bytes], archive: Archive, part: Path, here: int, progress: Progress | None) -> None:
    with part.open("ab" if here else "wb") as file:
        for chunk in chunks:
            file.write(chunk)
            here += len(chunk)
            if progress is not None:
                progress(here, archive.size)
            if here > archive.size:
                return
    if here < archive.size:
        raise UpstreamError(
            f"{archive.url} broke off after {here} of {archive.size} bytes.", hint="Run the same command again."
        )


def _check(archive: Archive, path: Path) -> None:
    """Compare a file with the known values of the archive, and remove it if it differs."""
    problem = _difference(archive, path)
    if problem:
        path.unlink()
        raise InvalidInputError(
            f"{path.name} is not the released archive: {problem}.", hint="It was removed; run the same command again."
        )


def _difference(archive: Archive, path: Path) -> str:
    if path.stat().st_size != archive.size:
        return f"it has {path.stat().st_size} bytes, not {archive.size}"
    if archive.sha256:
        return "" if sha256_file(path) == archive.sha256 else "its SHA-256 differs"
    try:
        with zipfile.ZipFile(path) as content:
            damaged = content.testzip()
    except zipfile.BadZipFile as error:
        return str(error)
    return f"its member {damaged} is damaged" if damaged else ""
