"""Writes files row by row. A file gets its name only when it is complete, and an interrupted one is continued."""

from __future__ import annotations

import gzip
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Protocol

from a3t_contracts.errors import InvalidInputError
from a3t_contracts.files import lock_file, sync_folder, write_atomically

from .columns import Row

__all__ = ["LinesSink", "Sink", "State", "json_text", "partial_of"]

State = dict[str, Any]
"""The state that a writer saves next to an unfinished file, in order to continue it: JSON values."""


class Sink(Protocol):
    """A file or folder that is being written."""

    def resume(self, fingerprint: str) -> State:
        """Open the output. Returns the saved state if the same export was interrupted, else an empty state."""

    def write(self, rows: Sequence[Row], state: State) -> None:
        """Append rows, and save the state that is valid after them."""

    def finish(self) -> None:
        """Give the complete output its final name."""

    def close(self) -> None:
        """Close the output. An unfinished one stays, so that the next export can continue it."""


def partial_of(path: Path) -> Path:
    """Return the path of an unfinished file."""
    return path.with_name(f".{path.name}.partial")


class LinesSink:
    """Writes JSON Lines, or one JSON array (`.json`), compressed if the name ends in `.gz`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._array = path.name.removesuffix(".gz").endswith(".json")
        self._packed = path.name.endswith(".gz")
        self._partial, self._note = partial_of(path), path.with_name(f".{path.name}.partial.json")
        self._file: IO[bytes] | None = None
        self._fingerprint = ""
        self._empty = True

    def resume(self, fingerprint: str) -> State:
        """Open the output; see `Sink.resume`."""
        self._fingerprint = fingerprint
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._partial.open("ab")
        except OSError as error:
            raise InvalidInputError(f"{self.path} cannot be written: {error.strerror}.") from error
        lock_file(self._file, self.path, "export")
        note = self._noted()
        self._file.truncate(note.get("bytes", 0))
        self._file.seek(0, os.SEEK_END)
        self._empty = note.get("bytes", 0) == 0
        state: State = note.get("state", {})
        return state

    def write(self, rows: Sequence[Row], state: State) -> None:
        """Append rows; see `Sink.write`."""
        file = self._opened()
        if rows:
            lines = [json_text(row) for row in rows]
            text = (",\n" if self._array else "\n").join(lines) + ("" if self._array else "\n")
            self._append(text if not self._array else ("[\n" if self._empty else ",\n") + text)
            self._empty = False
        file.flush()
        note = {"fingerprint": self._fingerprint, "bytes": file.tell(), "state": state}
        write_atomically(self._note, json.dumps(note))

    def finish(self) -> None:
        """Give the output its final name; see `Sink.finish`."""
        file = self._opened()
        if self._array:
            self._append("[]\n" if self._empty else "\n]\n")
        elif self._packed and self._empty:
            self._append("")
        file.flush()
        os.fsync(file.fileno())
        self._partial.replace(self.path)
        self._note.unlink(missing_ok=True)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the output; see `Sink.close`."""
        if self._file is not None:
            self._file.close()

    def _append(self, text: str) -> None:
        data = text.encode()
        self._opened().write(gzip.compress(data, 6, mtime=0) if self._packed else data)

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            raise RuntimeError("resume() opens the file")
        return self._file

    def _noted(self) -> State:
        """Return the saved state of an interrupted export, if it was the same export and its file is at least as long
        as saved; else an empty state."""
        try:
            note: State = json.loads(self._note.read_bytes())
            fits = note["fingerprint"] == self._fingerprint and note["bytes"] <= self._partial.stat().st_size
        except (OSError, ValueError, KeyError, TypeError):
            return {}
        return note if fits else {}


def json_text(value: Any) -> str:
    """Return a value as JSON on one line. Numbers that JSON cannot express (infinity) become null."""
    try:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), ensure_ascii=False, separators=(",", ":"))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
