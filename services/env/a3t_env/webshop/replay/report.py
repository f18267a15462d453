"""Results of a replay: agreement and differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

__all__ = ["Agreement", "Difference", "close", "json_lines"]

TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Difference:
    """A case that differs: the fields, their values, and the reason if the difference is intended (else None)."""

    where: str
    fields: list[str]
    ours: list[Any]
    recorded: list[Any]
    reason: str | None = None


@dataclass(slots=True)
class Agreement:
    """Results for one kind of recording: numbers of checked and of equal cases, and the share (0 to 1) that must be
    equal.
    """

    kind: str
    wanted: float = 1.0
    checked: int = 0
    equal: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def share(self) -> float:
        """Share of equal cases; 1 if there were none."""
        return self.equal / self.checked if self.checked else 1.0

    @property
    def good(self) -> bool:
        """Whether enough cases are equal."""
        return self.share >= self.wanted

    def compare(
        self, where: str, ours: Mapping[str, Any], recorded: Mapping[str, Any], reason: str | None = None
    ) -> bool:
        """Compare one case: it is equal if every recorded value is equal."""
        wrong = [key for key, value in recorded.items() if not close(ours.get(key), value)]
        self.checked += 1
        self.equal += not wrong
        if wrong:
            values = [ours.get(key) for key in wrong], [recorded[key] for key in wrong]
            self.differences.append(Difference(where, wrong, *values, reason))
        return not wrong


def close(ours: Any, recorded: Any) -> bool:
    """Whether two values are equal; numbers may differ by 1e-6."""
    if isinstance(ours, float | int) and isinstance(recorded, float | int):
        return abs(ours - recorded) <= TOLERANCE
    return bool(ours == recorded)


def json_lines(folder: Path, pattern: str) -> Iterator[dict[str, Any]]:
    """Yield the rows of all files whose names fit a pattern."""
    for path in sorted(folder.glob(pattern)):
        for line in path.read_bytes().splitlines():
            if line.strip():
                yield orjson.loads(line)
