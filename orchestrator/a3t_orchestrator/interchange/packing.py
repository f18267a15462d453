"""Opens files that are packed or in other encodings, and recognises files that are not text."""

from __future__ import annotations

import bz2
import codecs
import contextlib
import gzip
import io
import lzma
from typing import IO, Any

__all__ = ["as_utf8", "not_text", "unpacked"]

_BOM = b"\xef\xbb\xbf"
_WIDE = {
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""Byte order marks of other encodings. UTF-32 comes first, because its little-endian mark begins with that of
UTF-16."""
_UNREAD = {
    b"PK\x03\x04": "a zip archive; unpack it",
    b"\x28\xb5\x2f\xfd": "packed with zstd; unpack it",
    b"7z\xbc\xaf": "a 7z archive; unpack it",
    b"ARROW1": "an Arrow file; save it as Parquet or JSON Lines (`Dataset.to_json`)",
    b"\xff\xff\xff\xff": "an Arrow stream; save it as Parquet or JSON Lines (`Dataset.to_json`)",
    b"SQLite format 3": "an SQLite database; for one of A³T set `A3T_DATABASE_URL` and use `a3t export`",
    b"\x80\x04": "a Python pickle, which is never opened; save it as JSON Lines",
    b"\x80\x05": "a Python pickle, which is never opened; save it as JSON Lines",
    b"%PDF": "a PDF",
}


def unpacked(raw: IO[bytes], start: bytes) -> Any:
    """Return a context manager with the decompressed file. `start`: the first bytes of the file."""
    if start[:2] == b"\x1f\x8b":
        return gzip.open(raw)
    if start[:3] == b"BZh":
        return bz2.open(raw)
    if start[:6] == b"\xfd7zXZ\x00":
        return lzma.open(raw)
    return contextlib.nullcontext(raw)


def not_text(start: bytes) -> str | None:
    """Return what a file is that is not text, and what to do with it; None for text."""
    return next((told for mark, told in _UNREAD.items() if start.startswith(mark)), None)


def as_utf8(file: io.BufferedReader[Any], start: bytes) -> io.BufferedReader[Any]:
    """Return the file recoded to UTF-8, without a byte order mark. `start`: the first bytes of the file."""
    wide = next((name for mark, name in _WIDE.items() if start.startswith(mark)), None)
    if wide is not None:
        return io.BufferedReader(_Recoded(file, wide), 2**20)
    if start.startswith(_BOM):
        file.read(len(_BOM))
    return file


class _Recoded(io.RawIOBase):
    """Reads a file of another encoding as UTF-8. Invalid bytes become U+FFFD."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder(encoding)("replace")
        self._rest = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._rest:
            data = self._file.read(2**16)
            self._rest = self._decoder.decode(data, final=not data).encode(errors="replace")
            if not data:
                break
        taken = self._rest[: len(buffer)]
        self._rest = self._rest[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)
