"""Reads the records of files that others wrote, one at a time, whatever their form: lines, arrays, Parquet, packed."""

from __future__ import annotations

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from a3t_contracts.errors import InvalidInputError, NotFoundError, UnavailableError

__all__ = ["LONGEST", "Found", "read_records"]

LONGEST = 64 * 2**20
"""Bytes of the longest line, or of a file that holds a single object, that is read."""
_BOM = b"\xef\xbb\xbf"
_ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz", ".parquet")


@dataclass(frozen=True, slots=True)
class Found:
    """A record and where it stands, or what is wrong there."""

    where: str
    value: dict[str, Any] | None = None
    problem: str | None = None


def read_records(path: Path) -> Iterator[Found]:
    """The records of a file, or of the files of a folder in the order of their names.

    What cannot be read is a `Found` with a problem, and reading goes on behind it where it can. Raises NotFoundError,
    and InvalidInputError for what cannot be opened.
    """
    if not path.exists():
        raise NotFoundError(f"There is no file {path}.")
    if not path.is_dir():
        yield from _records(path)
        return
    files = sorted(file for file in path.rglob("*") if file.name.lower().endswith(_ENDINGS) and not _hidden(file, path))
    if not files:
        raise InvalidInputError(f"{path} has no file that ends in {', '.join(_ENDINGS)}.")
    for file in files:
        for found in _records(file):
            yield Found(f"{file.relative_to(path)}, {found.where}", found.value, found.problem)


def _hidden(file: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(folder).parts)


def _records(path: Path) -> Iterator[Found]:
    try:
        with path.open("rb") as raw:
            start = raw.read(4)
            raw.seek(0)
            if start == b"PAR1":
                yield from _parquet(path)
            elif start[:2] == b"\x1f\x8b":
                with gzip.open(raw) as packed:
                    yield from _text(packed)
            else:
                yield from _text(raw)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        yield Found("behind what could be unpacked", problem=f"the file is damaged: {error}")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _text(raw: Any) -> Iterator[Found]:
    file: io.BufferedReader[Any] = io.BufferedReader(raw, 2**20)
    head = file.peek(64)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        yield Found("line 1", problem="the file is UTF-16; UTF-8 is read")
        return
    if head.startswith(_BOM):
        file.read(3)
    skipped = _skip_blank_lines(file)
    if file.peek(1)[:1] == b"[":
        yield from _array(file)
    else:
        yield from _lines(file, skipped)


def _skip_blank_lines(file: io.BufferedReader[Any]) -> int:
    """Read white space up to the first other byte; the number of line ends in it."""
    lines = 0
    while (byte := file.peek(1)[:1]) and byte.isspace():
        lines += file.read(1) == b"\n"
    return lines


def _array(file: IO[bytes]) -> Iterator[Found]:
    import ijson

    number = 0
    try:
        for value in ijson.items(file, "item", use_float=True):
            number += 1
            yield _record(f"record {number}", value)
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        yield Found(f"behind record {number}", problem=f"the array cannot be read on: {_one_line(error)}")


def _lines(file: IO[bytes], skipped: int) -> Iterator[Found]:
    number, first = skipped, True
    while line := file.readline(LONGEST + 1):
        number += 1
        if len(line) > LONGEST and not line.endswith(b"\n"):
            while (rest := file.readline(LONGEST)) and not rest.endswith(b"\n"):
                pass
            yield Found(f"line {number}", problem=f"longer than {LONGEST // 2**20} MiB")
        elif line.strip():
            found = _parsed(f"line {number}", line)
            if first and found.problem and line.lstrip().startswith(b"{"):
                rest = file.read(LONGEST)
                whole = _parsed("the object of the file", line + rest)
                if whole.value is not None:
                    yield whole
                    return
                file = io.BytesIO(rest)
            yield found
        first = first and not line.strip()


def _parsed(where: str, line: bytes) -> Found:
    try:
        return _record(where, json.loads(line.decode(), parse_constant=_refuse))
    except UnicodeDecodeError as error:
        return Found(where, problem=f"no UTF-8 text: {error.reason} at byte {error.start}")
    except RecursionError:
        return Found(where, problem="nested too deeply")
    except ValueError as error:
        return Found(where, problem=f"no JSON: {_one_line(error)}")


def _record(where: str, value: Any) -> Found:
    if isinstance(value, dict):
        return Found(where, value)
    return Found(where, problem=f"a JSON object was expected, not {type(value).__name__}")


def _parquet(path: Path) -> Iterator[Found]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError as error:
        raise UnavailableError(
            "Parquet files need pyarrow, which is not installed.", hint="Install a3t-orchestrator[export]."
        ) from error
    number = 0
    try:
        for batch in parquet.ParquetFile(path).iter_batches(batch_size=100):
            for value in batch.to_pylist():
                number += 1
                yield Found(f"row {number}", value)
    except (ArrowException, ValueError) as error:
        yield Found(f"behind row {number}", problem=f"the file cannot be read on: {_one_line(error)}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
