"""Reads the members of very large JSON files (array, object or lines) one by one, without parsing the whole file."""

from __future__ import annotations

import json
import mmap
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from a3t_contracts.errors import InvalidInputError, NotFoundError

__all__ = ["JsonFile", "Member"]

_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[{}\[\]]', re.DOTALL)
_OPEN, _CLOSE = b"{[", b"}]"


@dataclass(frozen=True, slots=True)
class Member:
    """A value of the outermost container: its key (in an object) and its bytes [start, end)."""

    key: str | None
    start: int
    end: int


class JsonFile:
    """A JSON file mapped into memory. Use as a context manager."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise NotFoundError(f"There is no file {path}.", hint="Give the folder that holds the original's files.")
        self.path = path
        self.size = path.stat().st_size
        if not self.size:
            raise InvalidInputError(f"{path} is empty.")
        with path.open("rb") as file:
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._map.close()

    def is_array(self) -> bool:
        """Whether the file is one array. Otherwise it has one object per line."""
        return self._begins_with(b"[")

    def is_object(self) -> bool:
        """Whether the file begins with an object."""
        return self._begins_with(b"{")

    def objects(self, start: int = 0) -> Iterator[Member]:
        """The objects of the array or of the lines, from byte `start`, which is the end of an earlier member."""
        return self._members(1 if self.is_array() and not start else 0, start)

    def values(self) -> Iterator[Member]:
        """The objects and arrays that the outermost object holds, with their keys."""
        return self._members(1, 0)

    def load(self, member: Member, number: int) -> Any:
        """Parse the value of a member. NaN, which the original accepts, becomes null. Raises InvalidInputError,
        which names file, member and line.
        """
        data = self._map[member.start : member.end]
        try:
            return orjson.loads(data)
        except orjson.JSONDecodeError as error:
            if b"NaN" in data:
                with suppress(ValueError, RecursionError, orjson.JSONEncodeError):
                    return orjson.loads(orjson.dumps(json.loads(data)))
            raise InvalidInputError(
                f"{self.path}: record {number} (line {self._line(member.start)}) is broken JSON: {error}.",
                hint="Correct the line or download the file again.",
            ) from error

    def _members(self, level: int, position: int) -> Iterator[Member]:
        depth, start, key = 0, 0, None
        for match in _STRUCTURE.finditer(self._map, position):
            char = match.group()
            if char in (b"{", b"["):
                depth += 1
                if depth == level + 1:
                    start = match.start()
            elif char in (b"}", b"]"):
                depth -= 1
                if depth == level:
                    yield Member(key, start, match.end())
                elif depth < level:
                    return
            elif depth == 1 == level:
                key = char[1:-1].decode("utf-8", "replace")
        if depth or level:
            raise InvalidInputError(
                f"{self.path} ends inside a record that begins in line {self._line(start)}.",
                hint="The file is cut off: download it again.",
            )

    def _begins_with(self, mark: bytes) -> bool:
        return self._map[:64].lstrip(b"\xef\xbb\xbf \t\r\n").startswith(mark)

    def _line(self, position: int) -> int:
        return self._map[:position].count(b"\n") + 1
