"""Files of JSON lines that only grow. A line that a crash cut short never happened."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Generic, TypeVar

from a3t_contracts.files import sync_folder
from a3t_contracts.schemas.base import Schema

__all__ = ["Journal"]

RowT = TypeVar("RowT", bound=Schema)


class Journal(Generic[RowT]):
    """Rows of one schema in a file that nobody else writes to. Not thread-safe; calls touch the disk."""

    def __init__(self, path: Path, row: type[RowT]) -> None:
        self.path = path
        self._row = row
        self._end: int | None = None
        """Bytes of the whole rows, once they are known."""

    def read(self) -> list[RowT]:
        """Every whole row; none where there is no file. Raises ValidationError for a row that is none."""
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
        self._end = data.rfind(b"\n") + 1
        return [self._row.model_validate_json(line) for line in data[: self._end].splitlines()]

    def append(self, row: RowT) -> int:
        """Add a row, durably; the bytes of all rows. What an earlier error or crash left behind them is overwritten."""
        if self._end is None:
            self.read()
        line, end, fresh = row.model_dump_json().encode() + b"\n", self._end or 0, not self.path.exists()
        with self.path.open("wb" if fresh else "r+b") as file:
            file.truncate(end)
            file.seek(end)
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        if fresh:
            sync_folder(self.path.parent)
        self._end = end + len(line)
        return self._end
