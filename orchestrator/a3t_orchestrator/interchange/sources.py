"""Reads the records of other projects' files one at a time: JSON Lines, arrays and Parquet, also packed."""

from __future__ import annotations

import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NoReturn

from a3t_contracts.errors import InvalidInputError, NotFoundError, UnavailableError

from .contents import json_value
from .packing import as_utf8, not_text, unpacked
from .received import is_message

__all__ = ["LONGEST", "Found", "read_records"]

LONGEST = 64 * 2**20
"""Largest size in bytes of a line, or of a file with a single object, that is read."""
_MOST_MESSAGES = 100_000
"""Largest number of messages in a file that is a single chat."""
_PACKED = ("", ".gz", ".bz2", ".xz")
_ENDINGS = (*(f".{name}{packed}" for name in ("json", "jsonl", "ndjson") for packed in _PACKED), ".parquet")


@dataclass(frozen=True, slots=True)
class Found:
    """A record and its place in the file, or what is wrong at that place."""

    where: str
    value: dict[str, Any] | None = None
    problem: str | None = None


def read_records(path: Path) -> Iterator[Found]:
    """Yield the records of a file, or of the files of a folder in the order of their names.

    A record that cannot be read is a `Found` with a problem, and reading continues after it if possible. Raises
    NotFoundError for a missing file, and InvalidInputError for one that cannot be opened.
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
            start = raw.read(16)
            raw.seek(0)
            if start[:4] == b"PAR1":
                yield from _parquet(path)
                return
            with unpacked(raw, start) as text:
                yield from _text(text)
    except (EOFError, gzip.BadGzipFile, zlib.error, lzma.LZMAError) as error:
        yield Found("after the part that could be unpacked", problem=f"the file is damaged: {error}")
    except OSError as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror or error}.") from error


def _text(raw: Any) -> Iterator[Found]:
    file: io.BufferedReader[Any] = io.BufferedReader(raw, 2**20)
    head = file.peek(64)
    if told := not_text(head):
        yield Found("the file", problem=f"it is {told}")
        return
    file = as_utf8(file, head)
    skipped = _skip_blank_lines(file)
    if file.peek(1)[:1] == b"[" and not _lists_on_lines(file):
        yield from _array(file)
    else:
        yield from _lines(file, skipped)


def _lists_on_lines(file: io.BufferedReader[Any]) -> bool:
    """Return whether the first line is a complete list of messages. Then the file has one chat per line, although it
    begins like an array."""
    line, end, rest = file.peek(2**20).partition(b"\n")
    if not end or not rest.strip().startswith(b"["):
        return False
    return isinstance(json_value(line), list)


def _skip_blank_lines(file: io.BufferedReader[Any]) -> int:
    """Skip white space, and return the number of line ends in it."""
    lines = 0
    while (byte := file.peek(1)[:1]) and byte.isspace():
        lines += file.read(1) == b"\n"
    return lines


def _array(file: IO[bytes]) -> Iterator[Found]:
    import ijson

    number = 0
    chat: list[dict[str, Any]] = []
    try:
        for value in ijson.items(file, "item", use_float=True):
            number += 1
            if is_message(value) and len(chat) == number - 1 < _MOST_MESSAGES:
                chat.append(value)
            else:
                yield from (_record(f"record {place}", one) for place, one in enumerate(chat, 1))
                chat = []
                yield _record(f"record {number}", value)
    except (ijson.JSONError, UnicodeDecodeError, ValueError) as error:
        yield Found(f"after record {number}", problem=f"the rest of the array cannot be read: {_one_line(error)}")
    if chat:
        yield Found("the array of the file", {"messages": chat})


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
                if objects := _objects(line + rest):
                    yield from objects
                    return
                file = io.BytesIO(rest)
            yield found
        first = first and not line.strip()


def _objects(data: bytes) -> list[Found]:
    """Return the objects of a file in which each object takes several lines; an empty list if one cannot be read."""
    found: list[Found] = []
    place = 0
    try:
        text = data.decode().rstrip()
        decoder = json.JSONDecoder(parse_constant=_refuse)
        while place < len(text):
            value, end = decoder.raw_decode(text, place)
            found.append(_record(f"object {len(found) + 1}, line {text.count(chr(10), 0, place) + 1}", value))
            place = end + len(text[end:]) - len(text[end:].lstrip())
    except (ValueError, RecursionError):
        return []
    return found


def _parsed(where: str, line: bytes) -> Found:
    try:
        return _record(where, json.loads(line.decode(), parse_constant=_refuse))
    except UnicodeDecodeError as error:
        return Found(where, problem=f"not UTF-8 text: {error.reason} at byte {error.start}")
    except RecursionError:
        return Found(where, problem="nested too deeply")
    except ValueError as error:
        return Found(where, problem=f"not JSON: {_one_line(error)}")


def _record(where: str, value: Any) -> Found:
    if isinstance(value, dict):
        return Found(where, value)
    if isinstance(value, list) and value and all(map(is_message, value)):
        return Found(where, {"messages": value})
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
        yield Found(f"after row {number}", problem=f"the rest of the file cannot be read: {_one_line(error)}")


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a JSON value")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
