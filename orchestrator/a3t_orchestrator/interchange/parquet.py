"""Writes Parquet files, and folders in the layout of the Hugging Face `datasets` library. Needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from a3t_contracts.errors import InvalidInputError, UnavailableError
from a3t_contracts.files import replace_folder, sole_writer, sync_folder, write_atomically

from .columns import Column, Columns, Row, flattened
from .sinks import State, partial_of

if TYPE_CHECKING:
    import pyarrow

__all__ = ["FolderSink", "ParquetSink", "arrow_schema"]

_GROUP = 1_000
"""Number of rows in a row group; readers hold at least one row group in memory."""
SHARD = 10_000
"""Number of rows in one file of a folder; after a kill at most these are written again."""
_NOTE = ".a3t-export.json"
"""File that marks a folder as an export, and records how much of it was written."""


class ParquetSink:
    """Writes one Parquet file. After a kill it is written again from its beginning."""

    def __init__(self, path: Path, columns: Columns) -> None:
        self.path = path
        self._columns = columns
        self._schema = arrow_schema(columns)
        self._rows: list[Row] = []
        self._writer: Any = None

    def resume(self, fingerprint: str) -> State:
        """Open the output; see `Sink.resume`."""
        from pyarrow import parquet

        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = parquet.ParquetWriter(partial_of(self.path), self._schema, compression="zstd")
        except OSError as error:
            raise InvalidInputError(f"{self.path} cannot be written: {error}") from error
        return {}

    def write(self, rows: Sequence[Row], state: State) -> None:
        """Append rows; see `Sink.write`."""
        self._rows += [flattened(row, dict(self._columns)) for row in rows]
        if len(self._rows) >= _GROUP:
            self._flush()

    def finish(self) -> None:
        """Give the output its final name; see `Sink.finish`."""
        self._flush()
        self._writer.close()
        self._writer = None
        partial_of(self.path).replace(self.path)
        sync_folder(self.path.parent)

    def close(self) -> None:
        """Close the output; see `Sink.close`."""
        if self._writer is not None:
            self._writer.close()
            partial_of(self.path).unlink(missing_ok=True)

    def _flush(self) -> None:
        import pyarrow

        self._writer.write_table(pyarrow.Table.from_pylist(self._rows, schema=self._schema))
        self._rows = []


class FolderSink:
    """Writes a folder with the dataset card `README.md` and `data/train-*.parquet`. After a kill it continues after its
    last complete file."""

    def __init__(self, path: Path, columns: Columns, card: Callable[[State], str], shard: int = SHARD) -> None:
        self.path = path
        self._columns, self._card, self._shard = columns, card, shard
        self._partial = partial_of(path)
        self._files = 0
        self._in_file = 0
        self._fingerprint = ""
        self._state: State = {}
        self._sink: ParquetSink | None = None
        self._lock: Any = None
        arrow_schema(columns)

    def resume(self, fingerprint: str) -> State:
        """Open the output; see `Sink.resume`."""
        self._refuse_others()
        self._fingerprint = fingerprint
        try:
            (self._partial / "data").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InvalidInputError(f"{self.path} cannot be written: {error.strerror}.") from error
        self._lock = sole_writer(self._partial)
        self._lock.__enter__()
        note = self._noted()
        self._files, self._state = note.get("files", 0), note.get("state", {})
        for file in (self._partial / "data").iterdir():
            if file not in [self._file(number) for number in range(self._files)]:
                file.unlink()
        return self._state

    def write(self, rows: Sequence[Row], state: State) -> None:
        """Append rows; see `Sink.write`."""
        if self._sink is None:
            self._sink = ParquetSink(self._file(self._files), self._columns)
            self._sink.resume("")
        self._sink.write(rows, state)
        self._in_file += len(rows)
        self._state = state
        if self._in_file >= self._shard:
            self._finish_file()

    def finish(self) -> None:
        """Give the output its final name; see `Sink.finish`."""
        if self._sink is None and not self._files:
            self.write([], self._state)
        self._finish_file()
        for number in range(self._files):
            self._file(number).rename(self._partial / "data" / f"train-{number:05}-of-{self._files:05}.parquet")
        write_atomically(self._partial / "README.md", self._card(self._state))
        (self._partial / ".lock").unlink(missing_ok=True)
        replace_folder(self._partial, self.path)

    def close(self) -> None:
        """Close the output; see `Sink.close`."""
        if self._sink is not None:
            self._sink.close()
        if self._lock is not None:
            self._lock.__exit__(None, None, None)

    def _finish_file(self) -> None:
        if self._sink is None:
            return
        self._sink.finish()
        self._sink, self._in_file = None, 0
        self._files += 1
        note = {"fingerprint": self._fingerprint, "files": self._files, "state": self._state}
        write_atomically(self._partial / _NOTE, json.dumps(note))

    def _file(self, number: int) -> Path:
        return self._partial / "data" / f"part-{number:05}.parquet"

    def _noted(self) -> State:
        try:
            note: State = json.loads((self._partial / _NOTE).read_bytes())
            whole = all(self._file(number).exists() for number in range(note["files"]))
            return note if note["fingerprint"] == self._fingerprint and whole else {}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def _refuse_others(self) -> None:
        """Raise InvalidInputError for a folder that is not an export, so that it is never overwritten."""
        if (
            self.path.exists()
            and not (self.path / _NOTE).exists()
            and (not self.path.is_dir() or any(self.path.iterdir()))
        ):
            raise InvalidInputError(
                f"{self.path} exists and is not an export.", hint="Name a folder that does not exist."
            )


def arrow_schema(columns: Columns) -> pyarrow.Schema:
    """Return the columns as a schema of pyarrow. Raises UnavailableError where pyarrow is not installed."""
    try:
        import pyarrow
    except ImportError as error:
        raise UnavailableError(
            "Parquet files need pyarrow, which is not installed.",
            hint="Install a3t-orchestrator[parquet], or write .jsonl.",
        ) from error

    def kind(column: Column) -> Any:
        if isinstance(column, list):
            return pyarrow.list_(kind(column[0]))
        if isinstance(column, dict):
            return pyarrow.struct([(name, kind(part)) for name, part in column.items()])
        plain = {"int": pyarrow.int64(), "float": pyarrow.float64(), "bool": pyarrow.bool_()}
        return plain.get(column, pyarrow.string())

    return pyarrow.schema([(name, kind(column)) for name, column in columns.items()])
