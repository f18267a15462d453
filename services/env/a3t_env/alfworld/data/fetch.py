"""`a3t data fetch alfworld`: the official release archives, resumable and checked.

What can be checked: the length that the server names, its entity tag between resumed parts, and the CRC-32 of every
member of the zip. The SHA-256 of a finished archive is written beside it (`<archive>.sha256`) and checked whenever the
archive is used again. The project publishes no checksums of the archives, so none can be compared with.
"""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import httpx

from a3t_contracts.errors import InvalidInputError, UnavailableError, UpstreamError

__all__ = ["ARCHIVES", "fetch_archive"]

_RELEASES = "https://github.com/alfworld/alfworld/releases/download"
ARCHIVES = {
    "json": f"{_RELEASES}/0.2.2/json_2.1.1_json.zip",
    "pddl": f"{_RELEASES}/0.2.2/json_2.1.1_pddl.zip",
    "tw-pddl": f"{_RELEASES}/0.4.2/json_2.1.3_tw-pddl.zip",
    "tw-pddl-2.1.2": f"{_RELEASES}/0.4.0/json_2.1.2_tw-pddl.zip",
}
"""Trajectories, PDDL problems and playable games; together they make the official folder."""

_CHUNK = 1 << 20
_TIMEOUT = httpx.Timeout(30.0, connect=15.0)

Progress = Callable[[int, int | None], None]
"""Told (bytes here, bytes in all if known)."""


def fetch_archive(url: str, folder: Path, progress: Progress | None = None) -> Path:
    """Download an archive into a folder, going on where an earlier try broke off; returns its path.

    Raises UnavailableError without a network, UpstreamError for a refusal or a broken transfer (the part is kept),
    InvalidInputError where what came is no whole zip (the part is removed).
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / url.rsplit("/", 1)[-1]
    if target.exists():
        _check_known(target)
        return target
    part = target.with_name(target.name + ".part")
    try:
        _download(url, part, progress)
    except httpx.TransportError as error:
        raise UnavailableError(
            f"{url} is out of reach or broke off: {error or type(error).__name__}.",
            hint="Run the same command again to go on from where it stopped; `a3t data generate alfworld` and "
            "`a3t data import alfworld` need no network.",
        ) from error
    _check_zip(part)
    _sum_file(target).write_text(f"{_sha256(part)}  {target.name}\n")
    part.replace(target)
    return target


def _download(url: str, part: Path, progress: Progress | None) -> None:
    tag_file = part.with_name(part.name + ".etag")
    have = part.stat().st_size if part.exists() and tag_file.exists() else 0
    headers = {"Range": f"bytes={have}-", "If-Range": tag_file.read_text()} if have else {}
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=_TIMEOUT) as reply:
        if reply.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            return
        if reply.status_code not in (httpx.codes.OK, httpx.codes.PARTIAL_CONTENT):
            raise UpstreamError(f"{url} answered {reply.status_code}.", hint="Try again later.")
        resumed = reply.status_code == httpx.codes.PARTIAL_CONTENT
        here = have if resumed else 0
        length = reply.headers.get("Content-Length")
        total = here + int(length) if length else None
        tag_file.write_text(reply.headers.get("ETag", ""))
        _save(reply.iter_bytes(_CHUNK), part, here, total, progress)
    tag_file.unlink()


def _save(chunks: Iterable[bytes], part: Path, here: int, total: int | None, progress: Progress | None) -> None:
    with part.open("ab" if here else "wb") as file:
        for chunk in chunks:
            file.write(chunk)
            here += len(chunk)
            if progress is not None:
                progress(here, total)
    if total is not None and here != total:
        raise UpstreamError(f"{part.name}: {here} of {total} bytes came.", hint="Run the same command again.")


def _check_zip(part: Path) -> None:
    try:
        with zipfile.ZipFile(part) as archive:
            damaged = archive.testzip()
    except zipfile.BadZipFile as error:
        damaged = str(error)
    if damaged is not None:
        part.unlink()
        raise InvalidInputError(
            f"{part.name} came damaged: {damaged}.", hint="It was removed; run the same command again."
        )


def _check_known(target: Path) -> None:
    """Compare an archive that is here already with the SHA-256 written when it came."""
    known = _sum_file(target)
    if known.exists() and known.read_text().split()[0] != _sha256(target):
        raise InvalidInputError(f"{target} was changed after it was fetched.", hint="Delete it and fetch it again.")


def _sum_file(target: Path) -> Path:
    return target.with_name(target.name + ".sha256")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
