"""Input and output files of `a3t annotate`. The next run continues an output that was interrupted."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Self

from a3t_contracts.errors import InvalidInputError, NotFoundError
from a3t_contracts.files import lock_file

from .records import LogDefaults, Record, parse_line

__all__ = ["Output", "count_lines", "read_records"]


def count_lines(path: Path) -> int:
    """Number of lines of the input that are not blank. Raises NotFoundError, or InvalidInputError for a file that is
    not text.
    """
    return sum(1 for _ in _lines(path))


def read_records(
    path: Path, on_bad: Callable[[InvalidInputError], None], defaults: LogDefaults | None = None
) -> Iterator[Record]:
    """Read the valid lines as records; invalid lines are passed to `on_bad`.

    Equal lines without an id get a number from the second one on, so that each is annotated. A second line with the
    same explicit id is invalid.
    """
    seen: dict[str, int] = {}
    repeats: Counter[str] = Counter()
    for number, text in _lines(path):
        try:
            record = parse_line(number, text, defaults)
            if record.id in seen and record.is_named:
                raise InvalidInputError(f"line {number}: the id {record.id!r} was used in line {seen[record.id]}")
        except InvalidInputError as error:
            on_bad(error)
            continue
        repeats[record.id] += 1
        if repeats[record.id] > 1:
            record.id = f"{record.id}-{repeats[record.id]}"
        seen[record.id] = number
        yield record


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8-sig") as file:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, text
    except FileNotFoundError as error:
        raise NotFoundError(f"There is no file {path}.") from error
    except (IsADirectoryError, PermissionError) as error:
        raise InvalidInputError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InvalidInputError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}.") from error


class Output:
    """An append-only JSONL file with one line per finished record.

    Opening it removes a last line that was only partly written. Every line is flushed before the next one.

    Raises:
        InvalidInputError: the file exists and has other content.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.done: set[str] = set()
        self.repaired = False
        if path.exists():
            self._recover()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("ab")
        except OSError as error:
            raise InvalidInputError(f"{path} cannot be written: {error.strerror}.") from error
        lock_file(self._file, self.path, "run")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def append(self, record: Record) -> None:
        """Write a finished record."""
        self._file.write(record.result().encode() + b"\n")
        self._file.flush()
        self.done.add(record.id)

    def _recover(self) -> None:
        whole = 0
        with self.path.open("r+b") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n"):
                    break
                self.done.add(self._id_in(number, line))
                whole += len(line)
            if whole < os.fstat(file.fileno()).st_size:
                file.truncate(whole)
                self.repaired = True

    def _id_in(self, number: int, line: bytes) -> str:
        try:
            return str(json.loads(line)["id"])
        except (ValueError, KeyError, TypeError) as error:
            raise InvalidInputError(
                f"{self.path}, line {number}: this is not an output of `a3t annotate`.",
                hint="Name another file with --out, or remove this one.",
            ) from error
