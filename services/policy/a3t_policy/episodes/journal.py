"""Append-only files of JSON lines. If a crash cut off the last line, that line is ignored."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import ValidationError

from a3t_contracts.errors import UnavailableError
from a3t_contracts.files import sync_folder
from a3t_contracts.logging import get_logger
from a3t_contracts.schemas.base import Schema

__all__ = ["Journal"]

RowT = TypeVar("RowT", bound=Schema)
log = get_logger(__name__)


class Journal(Generic[RowT]):
    """Rows of one schema in a file that nobody else writes to. Not thread-safe; calls block on the disk.

    Args:
        path: the file; it and its folder are created with the first row.
        row: schema of the rows.
    """

    def __init__(self, path: Path, row: type[RowT]) -> None:
        self.path = path
        self._row = row
        self._end: int | None = None
        """Number of bytes of all complete rows; None before the file was read."""

    def read(self, *, leave_out_damaged: bool = False) -> list[RowT]:
        """Return every complete row; none if there is no file.

        Args:
            leave_out_damaged: log damaged rows and leave them out, instead of raising.

        Raises UnavailableError for a file that cannot be read or has a damaged row.
        """
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        except OSError as error:
            raise self._unavailable("read", error) from error
        self._end = data.rfind(b"\n") + 1
        rows = []
        for number, line in enumerate(data[: self._end].splitlines(), 1):
            try:
                rows.append(self._row.model_validate_json(line))
            except ValidationError as error:
                if not leave_out_damaged:
                    raise UnavailableError(
                        f"Line {number} of {self.path} is damaged.",
                        hint="Move the file away, and keep it for inspection.",
                    ) from error
                log.warning("journal.damaged", path=str(self.path), line=number, reason=str(error))
        return rows

    def append(self, row: RowT) -> int:
        """Append a row, sync it to the disk, and return the size of all rows in bytes.

        Remains of an earlier failed write are overwritten. Raises UnavailableError if the disk fails or is full.
        """
        if self._end is None:
            self.read(leave_out_damaged=True)
        line, end = row.model_dump_json().encode() + b"\n", self._end or 0
        try:
            self._write(line, end)
        except OSError as error:
            raise self._unavailable("written", error) from error
        self._end = end + len(line)
        return self._end

    def _write(self, line: bytes, end: int) -> None:
        fresh = not self.path.exists()
        if fresh:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("wb" if fresh else "r+b") as file:
            file.truncate(end)
            file.seek(end)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync_folder(self.path.parent)

    def _unavailable(self, what: str, error: OSError) -> UnavailableError:
        return UnavailableError(f"{self.path} cannot be {what}: {error.strerror}.")
